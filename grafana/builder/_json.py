"""A dashboard as the classic JSON that Grafana 11.6 to 13 takes from files."""

from collections.abc import Iterator
from typing import Any

from grafana.builder import units
from grafana.builder.model import (
    Annotation,
    Choice,
    Dashboard,
    Link,
    Override,
    Panel,
    Query,
    Row,
    Text,
    panel_id,
)

PLUGIN = "grafana-clickhouse-datasource"
SOURCE: dict[str, Any] = {"type": PLUGIN, "uid": "${datasource}"}
GRAFANA: dict[str, Any] = {"type": "grafana", "uid": "-- Grafana --"}
COLUMNS = 24
TAG = "spanledger"
SCHEMA_VERSION = 41


def render(dashboard: Dashboard) -> dict[str, Any]:
    """The JSON of a dashboard, without what Grafana fills in by itself."""
    return {
        "annotations": {"list": [_built_in(), *map(_annotation, dashboard.annotations)]},
        "description": dashboard.description,
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 2,
        "links": [_other_dashboards()],
        "panels": list(_placed(dashboard.rows)),
        "preload": False,
        "refresh": dashboard.refresh,
        "schemaVersion": SCHEMA_VERSION,
        "tags": [TAG],
        "templating": {"list": [_source_variable(), *map(_variable, dashboard.variables)]},
        "time": {"from": dashboard.start, "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": dashboard.uid,
        "version": 1,
        "weekStart": "",
    }


def _other_dashboards() -> dict[str, Any]:
    return {
        "asDropdown": True,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "Spanledger",
        "tooltip": "The other dashboards, with this time range and these choices",
        "type": "dashboards",
        "url": "",
    }


def _built_in() -> dict[str, Any]:
    return {
        "builtIn": 1,
        "datasource": GRAFANA,
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }


def _annotation(annotation: Annotation) -> dict[str, Any]:
    return {
        "datasource": SOURCE,
        "enable": annotation.enabled,
        "hide": False,
        "iconColor": annotation.colour,
        "name": annotation.name,
        "target": _target(Query(annotation.sql)),
    }


def _source_variable() -> dict[str, Any]:
    return {
        "current": {"text": "Spanledger", "value": "spanledger"},
        "hide": 0,
        "includeAll": False,
        "label": "Data source",
        "multi": False,
        "name": "datasource",
        "options": [],
        "query": PLUGIN,
        "refresh": 1,
        "regex": "",
        "skipUrlSync": False,
        "type": "datasource",
    }


def _variable(variable: Choice | Text) -> dict[str, Any]:
    if isinstance(variable, Text):
        return {
            "current": {"text": "", "value": ""},
            "description": variable.description,
            "hide": 0,
            "label": variable.label,
            "name": variable.name,
            "options": [],
            "query": "",
            "skipUrlSync": False,
            "type": "textbox",
        }
    return {
        "current": {"text": ["All"], "value": ["$__all"]},
        "datasource": SOURCE,
        "definition": variable.sql,
        "hide": 0,
        "includeAll": True,
        "label": variable.label,
        "multi": True,
        "name": variable.name,
        "options": [],
        "query": variable.sql,
        # Whenever the time range changes: a choice offers what happened in it.
        "refresh": 2,
        "regex": "",
        "skipUrlSync": False,
        "sort": 0,
        "type": "query",
    }


def _placed(rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
    """Panels from left to right and from top to bottom, each row under its heading."""
    top = 0
    for row in rows:
        placed, below = _line_up(row.panels, top + bool(row.title))
        if row.title:
            yield _heading(row, top, placed if row.collapsed else [])
        if row.collapsed:
            top += 1
        else:
            yield from placed
            top = below


def _line_up(panels: tuple[Panel, ...], top: int) -> tuple[list[dict[str, Any]], int]:
    """Each panel as high up as it fits, and there as far to the left."""
    floor = [top] * COLUMNS
    placed = []
    for panel in panels:
        y, x = min(
            (max(floor[left : left + panel.width]), left)
            for left in range(COLUMNS - panel.width + 1)
        )
        floor[x : x + panel.width] = [y + panel.height] * panel.width
        placed.append(_panel(panel, x, y))
    return placed, max(floor)


def _heading(row: Row, top: int, inside: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "collapsed": row.collapsed,
        "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": top},
        "id": panel_id(f"row: {row.title}"),
        "panels": inside,
        "title": row.title,
        "type": "row",
    }


def _panel(panel: Panel, left: int, top: int) -> dict[str, Any]:
    made: dict[str, Any] = {
        "datasource": SOURCE,
        "description": panel.description,
        "fieldConfig": {
            "defaults": {
                "custom": dict(panel.custom),
                "mappings": [],
                "noValue": panel.no_value,
                "unit": panel.unit,
                **_decimals(panel.unit),
                **panel.defaults,
            },
            "overrides": [*_empty_cells(panel), *map(_override, panel.overrides)],
        },
        "gridPos": {"h": panel.height, "w": panel.width, "x": left, "y": top},
        "id": panel.id,
        "options": dict(panel.options),
        "targets": [_target(query) for query in panel.queries],
        "title": panel.title,
        "transparent": False,
        "type": panel.kind,
    }
    if panel.links:
        made["links"] = [_link(link) for link in panel.links]
    if panel.max_data_points is not None:
        made["maxDataPoints"] = panel.max_data_points
    return made


def _decimals(unit: str) -> dict[str, Any]:
    decimals = units.decimals(unit)
    return {} if decimals is None else {"decimals": decimals}


def _empty_cells(panel: Panel) -> list[dict[str, Any]]:
    """The text for an empty panel would also stand in each empty cell of a table or legend."""
    if panel.kind not in ("table", "timeseries", "trend"):
        return []
    dash = {"id": "noValue", "value": "–"}
    return [{"matcher": {"id": "byRegexp", "options": "/.*/"}, "properties": [dash]}]


def _override(override: Override) -> dict[str, Any]:
    found = {**_decimals(override.properties.get("unit", "")), **override.properties}
    properties = [{"id": key, "value": value} for key, value in found.items()]
    return {
        "matcher": {"id": "byName", "options": override.name},
        "properties": properties,
    }


def _target(query: Query) -> dict[str, Any]:
    return {
        "datasource": SOURCE,
        "editorType": "sql",
        "format": query.format,
        "pluginVersion": "4.20.0",
        "rawSql": query.sql,
        "refId": query.ref,
    }


def _link(link: Link) -> dict[str, Any]:
    return {"targetBlank": False, "title": link.title, "url": link.url}
