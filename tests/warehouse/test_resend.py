"""However often and in whatever batches a span comes in, it counts once."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from spanledger import semconv
from spanledger.warehouse import Warehouse
from tests.warehouse._rows import NOON, call, insert_log, insert_spans

pytestmark = pytest.mark.storage

SPANS = [call(number, number) for number in range(1, 101)]
EXACT = {"n": 100, "cost_usd": Decimal("0.000005050")}


def totals(warehouse: Warehouse) -> dict[str, Any]:
    (row,) = warehouse.query("SELECT count() AS n, sum(cost_usd) AS cost_usd FROM calls")
    return row


def rows_in(warehouse: Warehouse, table: str) -> int:
    (row,) = warehouse.query("SELECT count() AS n FROM {table:Identifier}", table=table)
    return int(row["n"])


@pytest.mark.parametrize("token", [None, "request-1"])
def test_a_re_sent_block_is_ignored_along_the_whole_chain(
    warehouse: Warehouse, token: str | None
) -> None:
    for _ in range(3):
        insert_spans(warehouse, SPANS, deduplication_token=token)
    chain = ("otel_traces", "otel_traces_trace_id_ts", "llm_calls")
    assert [rows_in(warehouse, table) for table in chain] == [100, 1, 100]
    assert totals(warehouse) == EXACT


def test_a_token_stands_for_the_content_of_its_block(warehouse: Warehouse) -> None:
    insert_spans(warehouse, SPANS, deduplication_token="request-1")
    insert_spans(warehouse, [call(500)], deduplication_token="request-1")
    assert totals(warehouse) == EXACT
    insert_spans(warehouse, [call(500, 0)], deduplication_token="request-2")
    assert totals(warehouse) == EXACT | {"n": 101}


def test_spans_re_sent_in_other_batches_are_one_row_each_in_the_views(
    warehouse: Warehouse,
) -> None:
    insert_spans(warehouse, SPANS)
    insert_spans(warehouse, SPANS[:30])
    insert_spans(warehouse, SPANS[20:70])
    insert_spans(warehouse, list(reversed(SPANS)))
    assert rows_in(warehouse, "otel_traces") == 280
    assert totals(warehouse) == EXACT


def test_a_span_twice_in_one_batch_is_one_row(warehouse: Warehouse) -> None:
    insert_spans(warehouse, [*SPANS, *SPANS])
    assert totals(warehouse) == EXACT


def test_merges_remove_what_the_views_hide(warehouse: Warehouse) -> None:
    insert_spans(warehouse, SPANS)
    insert_spans(warehouse, SPANS[:50])
    warehouse.command("OPTIMIZE TABLE llm_calls FINAL")
    assert rows_in(warehouse, "llm_calls") == 100
    assert totals(warehouse) == EXACT


def test_spans_of_several_days_that_are_re_sent_are_one_row_each(warehouse: Warehouse) -> None:
    """A day is a partition: a batch over many days makes many parts, and heals part by part."""
    days = [
        replace(call(day, day), at=NOON.replace(year=1970 + day), span_id=f"{day:016x}")
        for day in range(130)
    ]
    insert_spans(warehouse, days)
    insert_spans(warehouse, days[:65])
    insert_spans(warehouse, days, deduplication_token="whole")
    assert totals(warehouse) == {"n": 130, "cost_usd": Decimal(sum(range(130))) / 10**9}


def test_tools_and_decisions_that_are_re_sent_are_one_row_each(warehouse: Warehouse) -> None:
    tools = [call(number, OPERATION_NAME=semconv.TOOL_OPERATION) for number in range(10)]
    insert_spans(warehouse, tools)
    insert_spans(warehouse, tools[:5])
    for decision in ("d1", "d2", "d1"):
        insert_log(warehouse, {semconv.GUARD_DECISION_ID: decision, "attempt": decision})
    insert_log(warehouse, {semconv.GUARD_DECISION_ID: "d1", "resent": "yes"})
    assert rows_in(warehouse, "tools") == 10
    assert rows_in(warehouse, "decisions") == 2
