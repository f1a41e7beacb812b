"""The kinds of panel, each with the options that make it easy to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.builder import links, units
from grafana.builder.model import LOGS, SERIES, TABLE, TRACE, Link, Override, Panel, Query

Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on which colour; the first from None."""

#: More points than this say nothing more on a screen, and cost as much more to ask for.
POINTS = 150

PLAIN: Steps = ((None, "text"),)
#: Any of it is worth a look.
ANY_IS_BAD: Steps = ((None, "text"), (1, "red"))


def stat(
    title: str,
    sql: str,
    *,
    unit: str,
    description: str,
    no_value: str,
    steps: Steps = PLAIN,
    change: bool = False,
    more_is_bad: bool = True,
    width: int = 4,
    height: int = 4,
    decimals: int | None = None,
    link: Link | None = None,
) -> Panel:
    """One number. With `change` the query gives two rows, the window before and this one.

    Args:
        title: The panel's title.
        sql: Rows of a time and one number; the last one is shown.
        unit: One of `units`.
        description: What it shows, and what to do about it.
        no_value: What stands there when there is nothing.
        steps: Thresholds, where they mean something.
        change: Show by how much the last row differs from the first.
        more_is_bad: The colour of that change.
        width: In columns of 24.
        height: In rows.
        decimals: Digits after the point; None: Grafana's choice.
        link: Where a click leads.
    """
    options: dict[str, Any] = {
        "colorMode": "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "percentChangeColorMode": "inverted" if more_is_bad else "standard",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showPercentChange": change,
        "textMode": "value",
        "wideLayout": True,
    }
    return Panel(
        title,
        "stat",
        (Query(sql, SERIES if change else TABLE),),
        description,
        no_value,
        width,
        height,
        unit,
        options,
        defaults=_defaults(steps, _stat_decimals(unit, decimals), link),
        links=(link,) if link else (),
    )


def _stat_decimals(unit: str, decimals: int | None) -> int | None:
    """A large 0.597 % says no more than 0.6 %."""
    return 1 if decimals is None and unit == units.RATIO else decimals


def _defaults(steps: Steps, decimals: int | None, link: Link | None) -> dict[str, Any]:
    made: dict[str, Any] = {"color": {"mode": "thresholds"}, "thresholds": thresholds(steps)}
    if decimals is not None:
        made["decimals"] = decimals
    if link is not None:
        made |= links.cell(link)
    return made


def thresholds(steps: Steps) -> dict[str, Any]:
    """Grafana's form of `steps`."""
    return {"mode": "absolute", "steps": [{"value": at, "color": name} for at, name in steps]}


def lines(
    title: str,
    sql: str,
    *,
    unit: str,
    description: str,
    no_value: str,
    stacked: bool = False,
    bars: bool = False,
    width: int = 12,
    height: int = 8,
    link: Link | None = None,
    overrides: Sequence[Override] = (),
    limits: Steps | None = None,
    custom: Mapping[str, Any] | None = None,
    decimals: int | None = None,
    by_column: bool = False,
) -> Panel:
    """A curve, or bars, for each series: a query of time, a name called `series`, a number.

    Args:
        title: The panel's title.
        sql: Rows ordered by time.
        unit: One of `units`.
        description: What it shows, and what to do about it.
        no_value: What stands there when there is nothing.
        stacked: On top of each other: what adds up to a whole.
        bars: Amounts in intervals, where a line would invent values between them.
        width: In columns of 24.
        height: In rows.
        link: Where a click on a series leads.
        overrides: What is different for single columns.
        limits: Lines that mean something.
        custom: Further drawing options.
        decimals: Digits after the point; None: Grafana's choice.
        by_column: The query has no column `series` but a named column for each.
    """
    drawn: dict[str, Any] = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 70 if bars else (20 if stacked else 5),
        "lineWidth": 1 if bars else 2,
        "showPoints": "never" if bars else "auto",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
        "thresholdsStyle": {"mode": "line" if limits else "off"},
        **(custom or {}),
    }
    defaults: dict[str, Any] = {
        "color": {"mode": "palette-classic"},
        "min": 0,
        "thresholds": thresholds(limits or PLAIN),
    }
    if unit == units.RATIO:
        # Nothing but zeros would have an axis up to 10000 %.
        drawn["axisSoftMax"] = 0.1
    if not by_column:
        # Without it a legend reads "cost claude-opus-5".
        defaults["displayName"] = "${__field.labels.series}"
    if decimals is not None:
        defaults["decimals"] = decimals
    if link is not None:
        defaults |= links.cell(link)
    calcs = ["sum"] if bars else ["mean", "max"]
    options = {
        "legend": {
            "calcs": calcs,
            "displayMode": "table",
            "placement": "right" if width >= 10 else "bottom",
            "showLegend": True,
            "sortBy": "Total" if bars else "Max",
            "sortDesc": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return Panel(
        title,
        "timeseries",
        (Query(sql, SERIES),),
        description,
        no_value,
        width,
        height,
        unit,
        options,
        drawn,
        defaults,
        tuple(overrides),
        max_data_points=POINTS,
    )


_BLUE = {"fixedColor": "blue", "mode": "fixed"}
#: The edges of a band: only what lies between them is seen.
_BAND: Mapping[str, Any] = {
    "color": _BLUE,
    "custom.lineWidth": 0,
    "custom.hideFrom": {"legend": True, "tooltip": False, "viz": False},
}


def trend(
    title: str,
    sql: str,
    *,
    x: str,
    unit: str,
    description: str,
    no_value: str,
    width: int = 12,
    height: int = 9,
    band: tuple[str, str] = ("Low", "High"),
) -> Panel:
    """Curves over a number instead of time, so that they can lead beyond the time range.

    Args:
        title: The panel's title.
        sql: Rows ordered by `x`; each further column is a curve.
        x: The column of the horizontal axis.
        unit: One of `units`.
        description: What it shows, and what to do about it.
        no_value: What stands there when there is nothing.
        width: In columns of 24.
        height: In rows.
        band: The columns between which the area is filled.
    """
    low, high = band
    options = {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "none"},
        "xField": x,
    }
    drawn = {"drawStyle": "line", "fillOpacity": 0, "lineWidth": 2, "showPoints": "never"}
    defaults: dict[str, Any] = {
        "color": {"mode": "palette-classic"},
        "min": 0,
        "thresholds": thresholds(PLAIN),
    }
    overrides = (
        # The axis counts days, and may be negative.
        Override(x, {"unit": units.NUMBER, "min": None, "decimals": 0}),
        Override(low, _BAND),
        Override(high, {**_BAND, "custom.fillBelowTo": low, "custom.fillOpacity": 20}),
        Override("Expected", {"color": _BLUE}),
    )
    return Panel(
        title,
        "trend",
        (Query(sql),),
        description,
        no_value,
        width,
        height,
        unit,
        options,
        drawn,
        defaults,
        overrides,
    )


@dataclass(frozen=True, slots=True)
class Column:
    """How one column of a table is shown; columns that are not named are shown as they come."""

    name: str
    unit: str = ""
    link: Link | None = None
    width: int | None = None
    steps: Steps | None = None
    bar: bool = False
    decimals: int | None = None
    wrap: bool = False


def table(
    title: str,
    sql: str,
    columns: Sequence[Column] = (),
    *,
    description: str,
    no_value: str,
    width: int = 12,
    height: int = 8,
    sort: str = "",
) -> Panel:
    """Rows as they come; cells may be clicked.

    Args:
        title: The panel's title.
        sql: The rows; the names of the columns are what people read.
        columns: Units, links and colours of single columns.
        description: What it shows, and what to do about it.
        no_value: What stands there when there is nothing.
        width: In columns of 24.
        height: In rows.
        sort: Column to sort by, the largest first; without it as the query sorts.
    """
    options: dict[str, Any] = {
        "cellHeight": "sm",
        "footer": {"countRows": False, "fields": "", "reducer": ["sum"], "show": False},
        "showHeader": True,
        "sortBy": [{"desc": True, "displayName": sort}] if sort else [],
    }
    custom = {
        "align": "auto",
        "cellOptions": {"type": "auto"},
        "filterable": True,
        "inspect": True,
        # Grafana's own 150 pixels put the last columns out of sight.
        "minWidth": 70,
    }
    defaults = {"color": {"mode": "thresholds"}, "thresholds": thresholds(PLAIN)}
    return Panel(
        title,
        "table",
        (Query(sql),),
        description,
        no_value,
        width,
        height,
        units.TEXT,
        options,
        custom,
        defaults,
        tuple(_shown(column) for column in columns),
    )


def _shown(column: Column) -> Override:
    made: dict[str, Any] = {}
    if column.unit or column.decimals is not None or column.bar:
        made["unit"] = column.unit or units.NUMBER
    if column.decimals is not None:
        made["decimals"] = column.decimals
    if column.width is not None:
        made["custom.width"] = column.width
    if column.link is not None:
        made |= links.cell(column.link)
    if column.steps is not None:
        made["thresholds"] = thresholds(column.steps)
        made["custom.cellOptions"] = {"type": "color-text"}
    if column.bar:
        made["custom.cellOptions"] = {"mode": "basic", "type": "gauge", "valueDisplayMode": "text"}
        made["color"] = {"mode": "continuous-BlPu"}
        # Else the bar is as long as the column's share of the largest number of any column.
        made |= {"min": 0, "fieldMinMax": True}
    if column.wrap:
        # Up to Grafana 12.1 here, later there.
        made["custom.cellOptions"] = {"type": "auto", "wrapText": True}
        made["custom.wrapText"] = True
    return Override(column.name, made)


def ranking(
    title: str,
    sql: str,
    *,
    unit: str,
    description: str,
    no_value: str,
    width: int = 8,
    height: int = 8,
    link: Link | None = None,
) -> Panel:
    """Horizontal bars, one for each row: a name, then a number; the largest first."""
    options = {
        "displayMode": "basic",
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
        "maxVizHeight": 24,
        "minVizHeight": 16,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": [], "fields": "", "limit": 25, "values": True},
        "showUnfilled": True,
        "sizing": "auto",
        "valueMode": "color",
    }
    defaults: dict[str, Any] = {
        "color": _BLUE,
        "min": 0,
        "thresholds": thresholds(PLAIN),
    }
    if link is not None:
        defaults |= links.cell(link)
    return Panel(
        title,
        "bargauge",
        (Query(sql),),
        description,
        no_value,
        width,
        height,
        unit,
        options,
        defaults=defaults,
    )


def waterfall(title: str, sql: str, *, description: str, no_value: str, height: int = 18) -> Panel:
    """The spans of one trace."""
    query = Query(sql, TRACE)
    return Panel(title, "traces", (query,), description, no_value, 24, height, units.TEXT, {})


def flow(
    title: str,
    nodes: str,
    edges: str,
    *,
    description: str,
    no_value: str,
    width: int = 12,
    height: int = 14,
) -> Panel:
    """A graph of who calls whom: two queries, of nodes and of edges."""
    options = {
        "edges": {"mainStatUnit": units.COUNT},
        "nodes": {"mainStatUnit": units.USD},
        "layoutAlgorithm": "layered",
        "zoomMode": "cooperative",
    }
    queries = (Query(nodes, TABLE, "nodes"), Query(edges, TABLE, "edges"))
    return Panel(
        title, "nodeGraph", queries, description, no_value, width, height, units.TEXT, options
    )


def logs(title: str, sql: str, *, description: str, no_value: str, height: int = 9) -> Panel:
    """Log records: `timestamp` and `body` first, then `level` and more."""
    options = {
        "dedupStrategy": "none",
        "enableLogDetails": True,
        "prettifyLogMessage": False,
        "showCommonLabels": False,
        "showLabels": False,
        "showTime": True,
        "sortOrder": "Ascending",
        "wrapLogMessage": True,
    }
    query = Query(sql, LOGS)
    return Panel(title, "logs", (query,), description, no_value, 24, height, units.TEXT, options)
