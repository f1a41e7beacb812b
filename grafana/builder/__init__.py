"""Grafana's dashboards as readable definitions; ``python -m grafana.builder`` writes their JSON.

>>> from grafana.builder import dashboards, queries
>>> dashboards()[0].uid
'spanledger-overview'
"""

import json
from pathlib import Path

from grafana.builder._json import render
from grafana.builder._queries import Asked, queries_of
from grafana.builder.dashboards import DASHBOARDS
from grafana.builder.model import Dashboard, panel_id

__all__ = [
    "FOLDER",
    "Asked",
    "Dashboard",
    "dashboards",
    "file_of",
    "panel_id",
    "queries",
    "render",
    "written",
]

FOLDER = Path(__file__).parent.parent / "dashboards"
"""Where the JSON is, as docker-compose.yml mounts it."""


def dashboards() -> tuple[Dashboard, ...]:
    """All dashboards, the overview first."""
    return DASHBOARDS


def queries() -> list[Asked]:
    """Every question that the dashboards ask: panels, variables, annotations."""
    return [asked for dashboard in DASHBOARDS for asked in queries_of(dashboard)]


def file_of(dashboard: Dashboard) -> Path:
    """The file of a dashboard's JSON."""
    return FOLDER / f"{dashboard.uid}.json"


def written(dashboard: Dashboard) -> str:
    """What stands in that file."""
    return json.dumps(render(dashboard), indent=2, ensure_ascii=False) + "\n"
