"""What pictures of the dashboards are drawn from, and where node and Chromium are, a picture."""

import json
import struct
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from grafana.builder import Dashboard, dashboards
from grafana.builder.model import SERIES, TABLE
from grafana.preview import pictures
from grafana.preview.frames import frame
from grafana.preview.inputs import View, inputs, interval_s, range_s
from grafana.preview.story import BUDGETS_USD, told

from tests.grafana.conftest import Databases

END = datetime(2026, 3, 10, 15, 20, tzinfo=UTC)
#: Without a time zone, as ClickHouse gives them.
T0, T1 = datetime(2026, 1, 1), datetime(2026, 1, 1, 0, 1)
T0_MS = 1_767_225_600_000


def test_a_time_series_has_a_column_for_each_name() -> None:
    rows = [
        {"time": T0, "series": "b", "cost": Decimal("1.5")},
        {"time": T0, "series": "a", "cost": 2},
        {"time": T1, "series": "b", "cost": 3},
    ]
    made = frame(rows, SERIES)
    assert made is not None
    time, a, b = made["fields"]
    assert time["values"] == [T0_MS, T0_MS + 60_000]
    assert (a["name"], a["labels"], a["values"]) == ("cost", {"series": "a"}, [2, None])
    assert (b["name"], b["labels"], b["values"]) == ("cost", {"series": "b"}, [1.5, 3])


def test_a_table_keeps_its_columns() -> None:
    rows = [
        {"time": T0.replace(tzinfo=timezone(timedelta(hours=1))), "name": "x", "share": None},
        {"time": date(2026, 1, 1), "name": "y", "share": float("nan")},
    ]
    made = frame(rows, TABLE, "B")
    assert made is not None
    assert made["refId"] == "B"
    assert [field["type"] for field in made["fields"]] == ["time", "string", "number"]
    assert [field["values"] for field in made["fields"]] == [
        [T0_MS - 3_600_000, T0_MS],
        ["x", "y"],
        [None, None],
    ]


def test_no_rows_are_no_frame() -> None:
    assert frame([], SERIES) is None


@pytest.mark.parametrize(
    ("start", "points", "step_s"),
    [("now-24h", 150, 600), ("now-7d", 150, 3600), ("now-6h", 150, 120), ("now-1h", 1000, 5)],
)
def test_an_interval_is_the_one_that_grafana_chooses(start: str, points: int, step_s: int) -> None:
    assert interval_s(range_s(start) / points) == step_s


def test_the_story_ends_with_a_runaway_that_the_budget_stops() -> None:
    story = told(END, days=3)
    assert story == told(END, days=3)
    midnight = END.replace(hour=0, minute=0)
    costs = [span.cost_usd or 0.0 for span in story.spans if span.model and span.at >= midnight]
    assert BUDGETS_USD["day"] * 0.95 < sum(costs) < BUDGETS_USD["day"] * 1.01
    assert story.said[-1].event == "refused"
    assert all(span.at <= END for span in story.spans)


@pytest.mark.storage
@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard.uid)
def test_every_panel_of_a_picture_has_something_to_draw(
    databases: Databases, dashboard: Dashboard
) -> None:
    made = _inputs(databases, dashboard)
    unfolded = [
        panel["id"]
        for panel in made["dashboard"]["panels"]
        if panel["type"] != "row" and not panel.get("collapsed")
    ]
    assert set(made["frames"]) == {str(number) for number in unfolded}
    assert all(made["frames"].values())
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert pictures.height(made) > 500


def _inputs(databases: Databases, dashboard: Dashboard) -> dict[str, Any]:
    texts = {"session": {"session": databases.session_id}, "traces": {"trace": databases.trace_id}}
    view = View(databases.end + timedelta(seconds=5), texts, {dashboard.name: "now-7d"})
    return inputs(dashboard, view, databases.seeded.query)


def test_a_message_in_the_data_does_not_end_the_pages_script() -> None:
    assert pictures.page({"message": "</script><b>"}).count("</script>") == 2


@pytest.mark.slow
@pytest.mark.storage
def test_a_picture_is_drawn(databases: Databases, tmp_path: Path) -> None:
    """Draws Overview; without node, Chromium or their downloads it says so."""
    try:
        pictures.browser()
        pictures.build()
    except pictures.PreviewUnavailable as reason:
        pytest.skip(str(reason))
    picture = tmp_path / "overview.png"
    made = _inputs(databases, dashboards()[0])
    pictures.draw(made, picture, tmp_path)
    head = picture.read_bytes()[:24]
    assert struct.unpack(">II", head[16:24]) == (pictures.WIDTH, pictures.height(made))
    # A page that failed is of one colour, and a few kilobytes.
    assert picture.stat().st_size > 60_000
