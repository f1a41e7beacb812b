"""Every question of every dashboard, asked of a listening ClickHouse as Grafana's user."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from numbers import Number
from typing import Any

import pytest
from grafana.builder import Asked, dashboards, queries
from grafana.builder.expand import State, Value, expand
from grafana.builder.model import Dashboard, Panel, Text

from spanledger.warehouse import Warehouse
from tests.grafana._seed import QUOTED
from tests.grafana.conftest import Databases

pytestmark = pytest.mark.storage

Row = dict[str, Any]

HOUR, MONTH = 3600, 30 * 24 * 3600
#: What Grafana chooses between two points of a curve of `panels.POINTS` points.
INTERVAL_S = {HOUR: 30, MONTH: 4 * 3600}

QUERIES = queries()

#: A choice in every variable.
ONE: dict[str, Value] = {
    "service": ("shop",),
    "agent": ("planner", "researcher"),
    "provider": ("openai",),
    "model": ("gpt-4o",),
    "tool": ("search",),
    "outcome": ("ok", "failed"),
    "product": ("claude-code",),
    "user": ("ada",),
    "min_cost": "0.001",
    "min_seconds": "0.5",
    "error": "slow",
}
#: What would end the text that it stands in, if it were not escaped.
AWKWARD: dict[str, Value] = {
    **dict.fromkeys(ONE, (QUOTED, "'); SELECT 1; --")),
    **dict.fromkeys(
        ("min_cost", "min_seconds", "error", "session", "trace", "fingerprint"), f"{QUOTED}' OR 1"
    ),
}


def _name(asked: Asked) -> str:
    return f"{asked.dashboard.removeprefix('spanledger-')}: {asked.where} {asked.ref}"


def _dashboard(asked: Asked) -> Dashboard:
    return next(each for each in dashboards() if each.uid == asked.dashboard)


def _panel(asked: Asked) -> Panel | None:
    return next((each for each in _dashboard(asked).panels if each.title == asked.where), None)


def _texts(asked: Asked) -> dict[str, Value]:
    """Text boxes are empty until something is typed."""
    return {each.name: "" for each in _dashboard(asked).variables if isinstance(each, Text)}


def _of(asked: Asked, chosen: dict[str, Value]) -> dict[str, Value]:
    """As Grafana has them: text boxes hold one text; `user` is a choice here and a text there."""
    texts = _texts(asked)
    return {
        name: value[0] if name in texts and isinstance(value, tuple) else value
        for name, value in chosen.items()
    }


def _ask(
    warehouse: Warehouse, asked: Asked, data: Databases, range_s: int, chosen: dict[str, Value]
) -> list[Row]:
    end_s = int(data.end.timestamp()) + 5
    state = State(end_s - range_s, end_s, INTERVAL_S[range_s], _texts(asked) | _of(asked, chosen))
    return warehouse.query(expand(asked.sql, state))


@pytest.mark.parametrize("asked", QUERIES, ids=_name)
def test_a_query_runs_on_a_database_without_rows(databases: Databases, asked: Asked) -> None:
    for range_s, chosen in ((HOUR, {}), (MONTH, ONE)):
        _ask(databases.empty, asked, databases, range_s, chosen)


@pytest.mark.parametrize("asked", QUERIES, ids=_name)
def test_a_query_runs_whatever_is_chosen(databases: Databases, asked: Asked) -> None:
    for range_s, chosen in ((MONTH, ONE), (HOUR, AWKWARD)):
        _ask(databases.seeded, asked, databases, range_s, chosen)


@pytest.mark.parametrize("range_s", [HOUR, MONTH], ids=["hour", "month"])
@pytest.mark.parametrize("asked", QUERIES, ids=_name)
def test_a_query_gives_the_columns_that_its_panel_draws(
    databases: Databases, asked: Asked, range_s: int
) -> None:
    picked: dict[str, Value] = {"trace": databases.trace_id}
    if asked.dashboard == "spanledger-session":
        picked["session"] = databases.session_id
    rows = _ask(databases.seeded, asked, databases, range_s, picked)
    assert rows, "nothing to be seen although the database has a month of everything"
    CONTRACTS[asked.kind](rows)
    if (panel := _panel(asked)) is not None and panel.kind == "table":
        unknown = {override.name for override in panel.overrides} - rows[0].keys()
        assert not unknown, f"shown, but not among the columns: {unknown}"


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, Number | Decimal) and not isinstance(value, bool))


def _is_time(value: object) -> bool:
    return isinstance(value, datetime)


def _series(rows: list[Row]) -> None:
    """Time first and ascending, then at most one name, then numbers; each point once."""
    time, *others = rows[0]
    assert time == "time"
    assert all(_is_time(row["time"]) for row in rows)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    names = [name for name in others if isinstance(rows[0][name], str)]
    assert names in ([], ["series"])
    numbers = [name for name in others if name not in names]
    assert numbers
    assert all(_is_number(row[name]) for row in rows for name in numbers)
    assert all(any(_is_number(row[name]) for row in rows) for name in numbers)
    if "series" in names:
        assert len(numbers) == 1
        assert all(row["series"] for row in rows), "a curve without a name"


def _stat(rows: list[Row]) -> None:
    """One number; or two, each with its time."""
    columns = list(rows[0])
    if columns[0] == "time":
        _series(rows)
        assert len(rows) == 2
        columns = columns[1:]
    else:
        assert len(rows) == 1
    assert len(columns) == 1
    assert _is_number(rows[-1][columns[0]])
    assert rows[-1][columns[0]] is not None


def _table(rows: list[Row]) -> None:
    assert len(rows) <= 2000
    for row in rows:
        assert not any(isinstance(value, list | dict | tuple) for value in row.values())


def _ranking(rows: list[Row]) -> None:
    """A name and a number, the largest first."""
    (name, number) = rows[0]
    assert all(isinstance(row[name], str) and row[name] for row in rows)
    numbers = [row[number] for row in rows]
    assert numbers == sorted(numbers, reverse=True)
    assert len({row[name] for row in rows}) == len(rows)


def _trend(rows: list[Row]) -> None:
    x, *curves = rows[0]
    assert [row[x] for row in rows] == sorted({row[x] for row in rows})
    assert {"Low", "High"} <= set(curves)
    assert all(_is_number(row[name]) for row in rows for name in curves)


def _trace(rows: list[Row]) -> None:
    required = {
        "traceID", "spanID", "parentSpanID", "operationName", "serviceName", "serviceTags",
        "startTime", "duration",
    }  # fmt: skip
    assert required <= rows[0].keys()
    assert len({row["spanID"] for row in rows}) == len(rows) > 1
    spans = {row["spanID"] for row in rows}
    assert all(row["parentSpanID"] in spans for row in rows if row["parentSpanID"])


def _logs(rows: list[Row]) -> None:
    assert list(rows[0])[:2] == ["timestamp", "body"]
    assert all(_is_time(row["timestamp"]) for row in rows)


def _graph(rows: list[Row]) -> None:
    assert rows[0].keys() >= {"id"}
    assert len({row["id"] for row in rows}) == len(rows)
    if "source" in rows[0]:
        assert all(row["source"] and row["target"] for row in rows)
    else:
        assert all(row["title"] for row in rows)


def _choices(rows: list[Row]) -> None:
    (column,) = rows[0]
    values = [row[column] for row in rows]
    assert all(isinstance(value, str) and value for value in values)
    assert len(set(values)) == len(values)


def _marks(rows: list[Row]) -> None:
    assert list(rows[0]) == ["time", "title", "text"]
    assert all(_is_time(row["time"]) for row in rows)


CONTRACTS: dict[str, Callable[[list[Row]], None]] = {
    "timeseries": _series,
    "stat": _stat,
    "table": _table,
    "bargauge": _ranking,
    "trend": _trend,
    "traces": _trace,
    "logs": _logs,
    "nodeGraph": _graph,
    "variable": _choices,
    "annotation": _marks,
}


def test_edges_of_the_graph_lead_to_its_nodes(databases: Databases) -> None:
    nodes, edges = (asked for asked in QUERIES if asked.kind == "nodeGraph")
    known = {row["id"] for row in _ask(databases.seeded, nodes, databases, MONTH, {})}
    found = _ask(databases.seeded, edges, databases, MONTH, {})
    assert {end for row in found for end in (row["source"], row["target"])} <= known


def test_a_quote_in_a_choice_finds_what_is_called_so(databases: Databases) -> None:
    asked = next(each for each in QUERIES if _name(each) == "overview: Calls A")
    everything = _ask(databases.seeded, asked, databases, HOUR, {})[-1]["value"]
    chosen = _ask(databases.seeded, asked, databases, HOUR, {"agent": (QUOTED,)})[-1]["value"]
    assert 0 < chosen < everything


def test_a_sum_is_that_of_exactly_the_time_range(databases: Databases) -> None:
    asked = next(each for each in QUERIES if _name(each) == "overview: Spend A")
    shown = _ask(databases.seeded, asked, databases, MONTH, {})[-1]["value"]
    end_s = int(databases.end.timestamp()) + 5
    whole = databases.seeded.query(
        "SELECT toFloat64(sum(cost_usd)) AS cost FROM calls "
        "WHERE ts >= {start:DateTime} AND ts < {end:DateTime}",
        start=end_s - MONTH,
        end=end_s,
    )
    assert shown == pytest.approx(whole[0]["cost"], rel=1e-12)
