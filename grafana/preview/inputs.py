"""What a picture is drawn from: a dashboard's JSON, the time range, and its queries' results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from grafana.builder import Dashboard, render
from grafana.builder.expand import State, Value, expand
from grafana.builder.model import Choice, Panel, Text
from grafana.preview.frames import Frame, Row, frame

Ask = Callable[[str], Sequence[Row]]

_UNITS_S = {"m": 60, "h": 3600, "d": 86400}
#: Grafana's steps: an interval below the first number of seconds becomes the second.
_STEPS = (
    (1.5, 1), (3.5, 2), (7.5, 5), (12.5, 10), (17.5, 15), (25, 20), (45, 30), (90, 60),
    (210, 120), (450, 300), (750, 600), (1050, 900), (1500, 1200), (2700, 1800), (5400, 3600),
    (9000, 7200), (16200, 10800), (32400, 21600), (86400, 43200), (604800, 86400),
)  # fmt: skip
_WEEK_S = 604800
_POINTS = 1000


@dataclass(frozen=True, slots=True)
class View:
    """What the dashboards show: up to when, and what stands in the text boxes of each."""

    end: datetime
    texts: Mapping[str, Mapping[str, str]]
    """By the name of the dashboard, then of the variable; what is not here is empty."""
    starts: Mapping[str, str]
    """Other starts than the dashboards' own, as ``now-2h``."""


def inputs(dashboard: Dashboard, view: View, ask: Ask) -> dict[str, Any]:
    """All that the page needs to draw `dashboard`, ready for JSON.

    Args:
        dashboard: One of ours.
        view: What it shows.
        ask: Runs a statement.
    """
    end_s = int(view.end.timestamp())
    start_s = end_s - range_s(view.starts.get(dashboard.name, dashboard.start))
    typed = view.texts.get(dashboard.name, {})
    texts = [each.name for each in dashboard.variables if isinstance(each, Text)]
    chosen: dict[str, Value] = {name: typed.get(name, "") for name in texts}

    def asked(sql: str, points: int) -> Sequence[Row]:
        step_s = interval_s((end_s - start_s) / points)
        return ask(expand(sql, State(start_s, end_s, step_s, chosen)))

    return {
        "dashboard": render(dashboard),
        "from": start_s * 1000,
        "to": end_s * 1000,
        "choices": list(_choices(dashboard, chosen)),
        "frames": {str(panel.id): _frames(panel, asked) for panel in _open(dashboard)},
        "marks": [
            {"colour": each.colour, "frame": frame(asked(each.sql, _POINTS), 1)}
            for each in dashboard.annotations
            if each.enabled
        ],
    }


def range_s(start: str) -> int:
    """Seconds of a range as ``now-24h``."""
    return int(start[4:-1]) * _UNITS_S[start[-1]]


def interval_s(wanted_s: float) -> int:
    """The interval that Grafana chooses when `wanted_s` would give each point its own."""
    return next((step for below, step in _STEPS if wanted_s < below), _WEEK_S)


def _open(dashboard: Dashboard) -> Iterator[Panel]:
    """A folded row asks nothing."""
    return (panel for row in dashboard.rows if not row.collapsed for panel in row.panels)


def _choices(dashboard: Dashboard, chosen: Mapping[str, Value]) -> Iterator[dict[str, str]]:
    for each in dashboard.variables:
        text = "All" if isinstance(each, Choice) else chosen[each.name]
        yield {"label": each.label, "text": str(text)}


def _frames(panel: Panel, asked: Callable[[str, int], Sequence[Row]]) -> list[Frame]:
    points = panel.max_data_points or _POINTS
    made = (frame(asked(query.sql, points), query.format, query.ref) for query in panel.queries)
    return [each for each in made if each is not None]
