"""Budgets as several processes and hosts tell them."""

from datetime import timedelta

import pytest

from spanledger import semconv
from spanledger.warehouse import Warehouse
from tests.warehouse._rows import NOON

pytestmark = pytest.mark.storage

_COLUMNS = ["TimeUnix", "ServiceName", "MetricName", "Attributes", "Value"]


def tell(
    warehouse: Warehouse,
    ledger: str | None,
    spent: float,
    *,
    minute: int = 0,
    resets_in_s: float | None = 6 * 3600.0,
    limit: float = 10.0,
) -> None:
    """What one process says about its budget, some minutes after noon."""
    attributes = {
        semconv.GUARD_RULE: "daily",
        semconv.GUARD_SCOPE: "global",
        semconv.GUARD_METRIC: "cost",
        semconv.GUARD_WINDOW: "day",
    }
    if ledger is not None:
        attributes[semconv.GUARD_LEDGER] = ledger
    values = {
        semconv.METRIC_BUDGET_LIMIT: limit,
        semconv.METRIC_BUDGET_SPENT: spent,
        semconv.METRIC_BUDGET_RESERVED: 0.5,
        semconv.METRIC_BUDGET_RESETS_IN: resets_in_s,
    }
    at = NOON + timedelta(minutes=minute)
    rows = [[at, "agent", name, attributes, n] for name, n in values.items() if n is not None]
    warehouse.insert("otel_metrics_gauge", _COLUMNS, rows)


def stands(warehouse: Warehouse) -> tuple[float, ...]:
    """Spent, limit and held of the one budget, and in how many ledgers it stands."""
    (row,) = warehouse.query(
        "SELECT spent_amount, limit_amount, reserved_amount, ledgers FROM budgets"
    )
    return tuple(row.values())


def test_of_a_ledger_that_is_shared_the_newest_word_counts_whoever_says_it(
    warehouse: Warehouse,
) -> None:
    tell(warehouse, "shared", 3.0, minute=1)
    tell(warehouse, "shared", 2.0, minute=0)
    tell(warehouse, "shared", 4.0, minute=2)
    assert stands(warehouse) == (4.0, 10.0, 0.5, 1)


def test_what_stands_in_several_ledgers_adds_up_whichever_spoke_last(warehouse: Warehouse) -> None:
    for minute, (one, other) in enumerate([(1.0, 5.0), (2.0, 6.0), (3.0, 6.0)]):
        tell(warehouse, "process a", one, minute=2 * minute)
        tell(warehouse, "file b", other, minute=2 * minute + 1)
        assert stands(warehouse) == (one + other, 20.0, 1.0, 2)


def test_a_ledger_whose_window_had_ended_counts_no_more(warehouse: Warehouse) -> None:
    tell(warehouse, "process a", 9.0, resets_in_s=60.0)
    tell(warehouse, "process b", 1.0, minute=5)
    assert stands(warehouse) == (1.0, 10.0, 0.5, 1)


def test_a_window_without_an_end_never_ends(warehouse: Warehouse) -> None:
    tell(warehouse, "process a", 9.0, resets_in_s=None)
    tell(warehouse, "process b", 1.0, minute=5, resets_in_s=None)
    assert stands(warehouse) == (10.0, 20.0, 1.0, 2)
    (row,) = warehouse.query("SELECT resets_in_s FROM budgets")
    assert row == {"resets_in_s": None}


def test_processes_that_name_no_ledger_share_one(warehouse: Warehouse) -> None:
    """Those of an older release."""
    tell(warehouse, None, 1.0)
    tell(warehouse, None, 2.0, minute=1)
    assert stands(warehouse) == (2.0, 10.0, 0.5, 1)
