"""Rows go when their time is over, and only those."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from spanledger.warehouse import InvalidStatement, Warehouse, retain
from spanledger.warehouse._retention import KEPT
from tests.warehouse._rows import call, insert_spans

pytestmark = pytest.mark.storage


def rows_in(warehouse: Warehouse, table: str) -> int:
    (row,) = warehouse.query("SELECT count() AS n FROM {table:Identifier}", table=table)
    return int(row["n"])


def test_old_rows_go_and_new_ones_stay(fresh_warehouse: Warehouse) -> None:
    now = datetime.now(UTC)
    spans = [replace(call(1), at=now), replace(call(2), at=now - timedelta(days=10))]
    insert_spans(fresh_warehouse, spans)
    retain(fresh_warehouse, {"calls": 5})
    fresh_warehouse.command("OPTIMIZE TABLE llm_calls FINAL")
    assert rows_in(fresh_warehouse, "llm_calls") == 1
    assert rows_in(fresh_warehouse, "otel_traces") == 2, "what is not named stays"


def test_everything_can_be_kept_for_a_time_and_then_for_good_again(
    fresh_warehouse: Warehouse,
) -> None:
    for _ in range(2):
        retain(fresh_warehouse, dict.fromkeys(KEPT, 30))
        retain(fresh_warehouse, dict.fromkeys(KEPT, 0))
    insert_spans(fresh_warehouse, [replace(call(2), at=datetime.now(UTC) - timedelta(days=3000))])
    fresh_warehouse.command("OPTIMIZE TABLE llm_calls FINAL")
    assert rows_in(fresh_warehouse, "llm_calls") == 1


def definitions(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = {db:String} "
        "ORDER BY name",
        db=warehouse.database,
    )


@pytest.mark.parametrize(("name", "days"), [("calls", -1), ("calls", 4_000), ("everything", 1)])
def test_what_can_not_be_kept_so_is_refused_before_anything_changes(
    fresh_warehouse: Warehouse, name: str, days: int
) -> None:
    before = definitions(fresh_warehouse)
    with pytest.raises(InvalidStatement, match=name):
        retain(fresh_warehouse, {"landing": 1, name: days})
    assert definitions(fresh_warehouse) == before
