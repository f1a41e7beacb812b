"""Hours, days, sessions and users: exact, however late and often spans come in."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from spanledger import semconv
from spanledger.warehouse import Target, Warehouse, available
from tests.warehouse._rows import Span, call, insert_spans

pytestmark = pytest.mark.storage

#: Closed hours of yesterday, and the present one.
DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
ROLLUPS = (
    "calls_hourly", "sessions_hourly", "users_hourly", "tools_hourly", "runs_hourly", "calls_daily",
)  # fmt: skip
VIEWS = ("cost_hourly", "cost_daily", "sessions", "users_daily")


def build(warehouse: Warehouse, tables: Sequence[str] = ROLLUPS) -> None:
    """What the refreshable views do every minute, with their own statement, now."""
    for table in tables:
        warehouse.command(f"INSERT INTO {table} {_statement_of(warehouse, table)}")


def _statement_of(warehouse: Warehouse, table: str) -> str:
    marker = f"APPEND TO `{warehouse.database}`.{table} AS"
    (sql,) = (
        statement
        for migration in available()
        for statement in migration.rendered(Target(warehouse.database))
        if marker in statement
    )
    return sql.partition(marker)[2]


def spans_of(at: datetime, numbers: range, nano_usd: int = 1_000) -> list[Span]:
    return [
        replace(
            call(number, nano_usd, USER_ID=f"user-{number % 2}"), at=at + timedelta(seconds=number)
        )
        for number in numbers
    ]


def totals(warehouse: Warehouse, view: str) -> dict[str, Any]:
    (row,) = warehouse.query(
        f"SELECT sum(calls) AS calls, sum(cost_usd) AS cost_usd, sum(input_tokens) AS tokens "  # noqa: S608 - ours
        f"FROM {view}"
    )
    return row


def expected(calls: int, nano_usd: int) -> dict[str, Any]:
    return {"calls": calls, "cost_usd": Decimal(nano_usd) / 10**9, "tokens": 100 * calls}


def test_views_say_the_same_before_and_after_hours_are_built(warehouse: Warehouse) -> None:
    insert_spans(warehouse, spans_of(DAY, range(1, 101)))
    insert_spans(warehouse, spans_of(DAY + timedelta(hours=5), range(101, 201)))
    insert_spans(warehouse, spans_of(datetime.now(UTC), range(201, 251)))
    for _ in range(3):
        assert [totals(warehouse, view) for view in VIEWS] == [expected(250, 250_000)] * 4
        build(warehouse)
    (row,) = warehouse.query("SELECT sum(calls) AS n FROM calls_hourly FINAL")
    assert row == {"n": 200}, "the open hour is not built"


def steps_of(at: datetime, numbers: range) -> list[Span]:
    """A run and the tool call in it, for each number; every second run failed."""
    told = {semconv.AGENT_NAME: "planner", semconv.CONVERSATION_ID: "session-1"}
    run = {semconv.OPERATION_NAME: "invoke_agent", semconv.SUBTREE_COST_NANO_USD: "7"}
    tool = {semconv.OPERATION_NAME: "execute_tool", semconv.TOOL_NAME: "search"}
    return [
        Span(
            span_id=f"{2 * number + place:016x}",
            at=at + timedelta(seconds=number),
            status="Error" if number % 2 else "Unset",
            attributes=told | attributes,
        )
        for number in numbers
        for place, attributes in enumerate((run, tool))
    ]


def test_tools_and_runs_lie_in_one_table_and_are_counted_apart(warehouse: Warehouse) -> None:
    """However often they come in, before their hours are built and after."""
    present = datetime.now(UTC)
    for number in (24, 34):
        insert_spans(warehouse, steps_of(DAY, range(5, number + 1)))
        insert_spans(warehouse, steps_of(present, range(100, 104)))
        if number == 24:
            assert steps(warehouse) == (24, 12, 24, 12, Decimal(24 * 7) / 10**9)
        build(warehouse)
        assert steps(warehouse) == (number, number // 2) * 2 + (Decimal(number * 7) / 10**9,)


def steps(warehouse: Warehouse) -> tuple[object, ...]:
    (row,) = warehouse.query(
        "SELECT * FROM (SELECT sum(calls), sum(failed_calls) FROM tools_usage) AS t, "
        "(SELECT sum(runs), sum(failed_runs), sum(subtree_cost_usd) FROM runs_usage) AS r"
    )
    return tuple(row.values())


def test_a_late_span_and_a_row_sent_twice_heal(warehouse: Warehouse) -> None:
    spans = spans_of(DAY, range(1, 101))
    insert_spans(warehouse, spans)
    build(warehouse)
    insert_spans(warehouse, spans[:50])
    insert_spans(warehouse, spans_of(DAY, range(101, 111)))
    build(warehouse)
    assert [totals(warehouse, view) for view in VIEWS] == [expected(110, 110_000)] * 4


def test_a_late_span_of_a_month_ago_is_rolled_up(warehouse: Warehouse) -> None:
    insert_spans(warehouse, spans_of(DAY, range(1, 11)))
    build(warehouse)
    insert_spans(warehouse, spans_of(DAY - timedelta(days=30), range(11, 16)))
    build(warehouse)
    assert [totals(warehouse, view) for view in VIEWS] == [expected(15, 15_000)] * 4


def test_what_a_correction_takes_out_of_a_group_is_taken_out(warehouse: Warehouse) -> None:
    """A key that vanishes from its hour must not stay behind in the roll-up."""
    insert_spans(warehouse, spans_of(DAY, range(1, 11)))
    build(warehouse)
    warehouse.command(
        "INSERT INTO llm_calls SELECT * REPLACE ('renamed' AS agent, now() AS received_at, "
        "1 AS revision) FROM llm_calls FINAL"
    )
    build(warehouse)
    assert [totals(warehouse, view) for view in VIEWS] == [expected(10, 10_000)] * 4
    for view in ("cost_hourly", "cost_daily"):
        rows = warehouse.query(f"SELECT DISTINCT agent FROM {view}")  # noqa: S608 - ours
        assert rows == [{"agent": "renamed"}]


def test_calls_without_a_price_are_counted_and_never_zero(warehouse: Warehouse) -> None:
    spans = [
        replace(call(number, COST_PROVENANCE="unpriced", AGENT_NAME="free"), at=DAY)
        for number in range(5)
    ]
    insert_spans(warehouse, spans)
    for _ in range(2):
        (row,) = warehouse.query("SELECT calls, unpriced_calls, cost_usd FROM cost_hourly")
        assert row == {"calls": 5, "unpriced_calls": 5, "cost_usd": None}
        build(warehouse)


def test_latency_is_added_up_within_a_bucket(warehouse: Warehouse) -> None:
    durations_ms = [10] * 90 + [1_000] * 10
    spans = [
        replace(span, duration_ns=ms * 1_000_000)
        for span, ms in zip(spans_of(DAY, range(100)), durations_ms, strict=True)
    ]
    insert_spans(warehouse, spans)
    build(warehouse)
    (row,) = warehouse.query(
        "SELECT mapSort(sumMap(duration_histogram)) AS histogram, sum(duration_us) AS us "
        "FROM cost_hourly"
    )
    assert row["us"] == sum(durations_ms) * 1000
    assert list(row["histogram"].values()) == [90, 10]
    low, high = (2 ** (key / 8) / 1000 for key in row["histogram"])
    assert low <= 10 < low * 2 ** (1 / 8)
    assert high <= 1000 < high * 2 ** (1 / 8)


def test_a_session_and_a_user_have_their_columns(warehouse: Warehouse) -> None:
    insert_spans(warehouse, spans_of(DAY, range(1, 7)))
    build(warehouse)
    rows = warehouse.query("SELECT * FROM sessions ORDER BY session_id")
    assert [(row["session_id"], row["calls"]) for row in rows] == [
        (f"session-{n}", 2) for n in range(3)
    ]
    assert rows[0]["started_at"] == (DAY + timedelta(seconds=3)).replace(tzinfo=None)
    assert rows[0]["last_call_at"] == (DAY + timedelta(seconds=6)).replace(tzinfo=None)
    users = warehouse.query("SELECT day, user_id, model, calls FROM users_daily ORDER BY user_id")
    assert [(row["user_id"], row["model"], row["calls"]) for row in users] == [
        ("user-0", "gpt-x", 3),
        ("user-1", "gpt-x", 3),
    ]
    assert {row["day"] for row in users} == {DAY.date()}


def test_times_far_away_do_not_disturb_the_rest(warehouse: Warehouse) -> None:
    far = [replace(call(n), at=datetime(year, 6, 1, tzinfo=UTC)) for n, year in
           enumerate((1970, 2100), start=500)]  # fmt: skip
    insert_spans(warehouse, [*far, *spans_of(DAY, range(1, 11))])
    for _ in range(3):
        assert totals(warehouse, "cost_hourly") == expected(12, 12_000)
        build(warehouse)


def test_an_hour_outlives_its_calls_and_a_very_late_span_does_not_replace_it(
    warehouse: Warehouse,
) -> None:
    insert_spans(warehouse, spans_of(DAY, range(1, 11)))
    build(warehouse)
    warehouse.command("TRUNCATE TABLE llm_calls")
    insert_spans(warehouse, spans_of(DAY, range(20, 21)))
    build(warehouse)
    assert [totals(warehouse, view) for view in VIEWS] == [expected(10, 10_000)] * 4


def test_a_day_that_was_built_while_one_of_its_hours_was_is_built_again(
    warehouse: Warehouse,
) -> None:
    """An hour is dated from the start of its build: before a day that did not yet see it."""
    insert_spans(warehouse, spans_of(DAY, range(1, 11)))
    build(warehouse)
    insert_spans(warehouse, spans_of(DAY + timedelta(hours=5), range(11, 16)))
    hours = _statement_of(warehouse, "calls_hourly")
    assert hours.count("now('UTC') AS built_at") == 1
    started_before = hours.replace("now('UTC') AS built_at", "now('UTC') - 3 AS built_at")
    warehouse.command(f"INSERT INTO calls_hourly {started_before}")
    build(warehouse, ["calls_daily"])
    assert totals(warehouse, "cost_daily") == expected(15, 15_000)


def test_the_present_day_is_built_as_far_as_its_hours_are(warehouse: Warehouse) -> None:
    """And what is not yet built is read call by call, whichever of the two lags behind."""
    now = datetime.now(UTC)
    for number in range(1, 7):
        at = now.replace(minute=30) - timedelta(hours=7 - number)
        insert_spans(warehouse, spans_of(at, range(number, number + 1)))
        for table in ("calls_hourly", "calls_daily")[: number % 3]:
            build(warehouse, [table])
            assert totals(warehouse, "cost_daily") == expected(number, number * 1_000)
    insert_spans(warehouse, spans_of(now, range(100, 101)))
    assert totals(warehouse, "cost_daily") == expected(7, 7_000)
    build(warehouse)
    assert totals(warehouse, "cost_daily") == expected(7, 7_000)
    (row,) = warehouse.query("SELECT max(until) AS until FROM calls_daily")
    assert row["until"] == now.replace(minute=0, second=0, microsecond=0, tzinfo=None)


def test_the_refreshable_views_run_by_themselves(warehouse: Warehouse) -> None:
    insert_spans(warehouse, spans_of(DAY, range(1, 11)))
    for table in ROLLUPS:
        warehouse.command(f"SYSTEM REFRESH VIEW {table}_mv")
        warehouse.command(f"SYSTEM WAIT VIEW {table}_mv")
    (row,) = warehouse.query("SELECT sum(calls) AS n FROM calls_daily FINAL")
    assert row == {"n": 10}
    states = warehouse.query(
        "SELECT exception FROM system.view_refreshes WHERE database = {db:String}",
        db=warehouse.database,
    )
    assert {row["exception"] for row in states} == {""}
