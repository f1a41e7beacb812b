"""One bad span never takes its batch with it, and is never counted as nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger import semconv
from spanledger.warehouse import Warehouse, available
from spanledger.warehouse._reader import views_of
from tests.warehouse._rows import TRACE_ID, Span, call, insert_spans

pytestmark = pytest.mark.storage

GARBAGE = [
    "", " ", "-5", "+5", "5.0", "1e3", "NaN", "-inf", "inf", "9" * 30, "-" + "9" * 30, "0x10",
    "null", "true", "\x00", "\x1b[31m", "\n5", "5\n", "{", "[", '["a"', "'; DROP TABLE x --",
    "\U0001f4b8", "\ud7ff", "a" * 100_000,
]  # fmt: skip
NUMERIC = [
    "CALL_ATTEMPT", "USAGE_INPUT_TOKENS", "USAGE_OUTPUT_TOKENS", "USAGE_CACHE_READ_TOKENS",
    "USAGE_CACHE_WRITE_TOKENS", "ANTHROPIC_CACHE_WRITE_1H_TOKENS", "USAGE_REASONING_TOKENS",
    "COST_NANO_USD", "RESPONSE_TIME_TO_FIRST_CHUNK",
]  # fmt: skip


def count_of(warehouse: Warehouse, condition: str = "1") -> int:
    (row,) = warehouse.query("SELECT count() AS n FROM calls WHERE " + condition)  # noqa: S608 - ours
    return int(row["n"])


def test_garbage_in_every_numeric_attribute_is_stored_as_unknown(warehouse: Warehouse) -> None:
    bad = [
        call(number, 1_000, **dict.fromkeys(NUMERIC, garbage))
        for number, garbage in enumerate(GARBAGE, start=1)
        if garbage != "+5"  # is a number
    ]
    insert_spans(warehouse, [*bad, call(1000)])
    assert count_of(warehouse) == len(bad) + 1
    unknown = (
        "input_tokens IS NULL AND output_tokens IS NULL AND cache_read_tokens IS NULL "
        "AND reasoning_tokens IS NULL AND cost_usd IS NULL AND cost_provenance = 'unpriced'"
    )
    assert count_of(warehouse, unknown) == len(bad)


def test_garbage_in_every_text_attribute_is_kept_as_it_is(warehouse: Warehouse) -> None:
    names = ("AGENT_NAME", "REQUEST_MODEL", "RESPONSE_FINISH_REASONS", "CONVERSATION_ID")
    spans = [
        call(number, 1_000, **dict.fromkeys(names, garbage))
        for number, garbage in enumerate(GARBAGE, start=1)
    ]
    insert_spans(warehouse, spans)
    rows = warehouse.query("SELECT agent, request_model, session_id FROM calls ORDER BY ts")
    assert [row["agent"] for row in rows] == GARBAGE
    assert [row["request_model"] for row in rows] == GARBAGE
    assert [row["session_id"] for row in rows] == GARBAGE


def test_a_span_with_ten_thousand_attributes_is_stored(warehouse: Warehouse) -> None:
    many = {f"x.{number}": "y" * 20 for number in range(10_000)}
    span = Span(attributes={**many, **call().attributes})
    insert_spans(warehouse, [span, call(2)])
    assert count_of(warehouse, "cost_usd IS NOT NULL") == 2


BAD_IDS = ["", "xyz", "z" * 32, "0af7", TRACE_ID * 3, TRACE_ID.upper() + "\x00"]


def test_ids_that_are_no_ids_keep_calls_apart(warehouse: Warehouse) -> None:
    spans = [
        Span(trace_id=bad, span_id=f"{bad}{number}", attributes=call(1).attributes)
        for bad in BAD_IDS
        for number in range(3)
    ]
    insert_spans(warehouse, spans)
    assert count_of(warehouse) == len(spans)


def test_a_span_of_any_time_is_stored_at_its_time(warehouse: Warehouse) -> None:
    times = [datetime(year, 6, 1, 12, tzinfo=UTC) for year in (1970, 2026, 2100, 2261)]
    insert_spans(warehouse, [replace(call(at.year), at=at) for at in times])
    rows = warehouse.query("SELECT toUnixTimestamp64Micro(ts) AS us FROM calls ORDER BY us")
    assert [row["us"] for row in rows] == [int(at.timestamp()) * 1_000_000 for at in times]


FOREIGN = {semconv.PROVIDER_NAME: "openai", semconv.REQUEST_MODEL: "gpt-4o"}
KINDS = [
    call().attributes,
    {semconv.OPERATION_NAME: "chat", **FOREIGN, semconv.USAGE_INPUT_TOKENS: "9"},
    {semconv.OPERATION_NAME: semconv.TOOL_OPERATION, semconv.TOOL_NAME: "search"},
    {semconv.OPERATION_NAME: semconv.AGENT_OPERATION, "spanledger.session.status": "success"},
]
TIMES = [datetime(year, 6, 1, 12, tzinfo=UTC) for year in (1970, 2100, 2261)]
DURATIONS_NS = [0, 1, 2**62, 2**63, 2**64 - 1]


def test_absurd_times_and_durations_stop_no_insert_and_no_view(warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    times = [*TIMES, now - timedelta(days=1), now, now + timedelta(hours=30)]
    spans = [
        Span(at=at, duration_ns=duration, attributes=kind, status="Error")
        for at, duration, kind in product(times, DURATIONS_NS, KINDS)
    ]
    insert_spans(warehouse, [replace(s, span_id=f"{n:016x}") for n, s in enumerate(spans, 1)])
    each = len(times) * len(DURATIONS_NS)
    assert count_of(warehouse) == 2 * each
    for view in views_of(available()).readable:
        warehouse.query(f"SELECT * FROM {view} LIMIT 1000")  # noqa: S608 - ours
    (row,) = warehouse.query("SELECT count() AS n, max(failures) AS most FROM error_groups")
    assert row == {"n": 1, "most": len(spans)}


def test_an_unknown_status_is_stored(warehouse: Warehouse) -> None:
    insert_spans(warehouse, [Span(status="Exploded", attributes=call().attributes)])
    assert count_of(warehouse, "status = 'Exploded'") == 1


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=9, max_size=9))
def test_no_text_in_an_attribute_can_stop_an_insert(
    warehouse: Warehouse, values: list[str]
) -> None:
    warehouse.command("TRUNCATE TABLE llm_calls")
    changed = dict(zip(NUMERIC, values, strict=True))
    changed |= {"RESPONSE_FINISH_REASONS": values[0], "AGENT_NAME": values[1]}
    insert_spans(warehouse, [call(1, 1_000, **changed), call(2)])
    assert count_of(warehouse) == 2


def test_contract_names_the_attributes_that_are_tested() -> None:
    assert all(hasattr(semconv, name) for name in NUMERIC)
