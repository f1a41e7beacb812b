"""Forecasts against those that cost nothing, over seeded series."""

import statistics
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from spanledger.warehouse import connect, migrate
from tests._engines import ClickHouseServer

pytestmark = pytest.mark.storage
_EACH, _KINDS = 8, 10


@pytest.fixture(scope="module")
def errors(server: ClickHouseServer) -> Any:
    """Of eight series of every kind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2]))
        backtest = import_module("benchmarks.forecast_backtest")
    with connect(server.url("backtest")) as warehouse:
        migrate(warehouse)
        return backtest.run(warehouse, _EACH)


def test_forecasts_beat_naive_ones_on_median(errors: Any) -> None:
    ours = statistics.median(one.ours for one in errors)
    assert ours < statistics.median(one.naive for one in errors)
    assert ours < statistics.median(one.seasonal for one in errors)


def test_about_four_days_of_five_lie_within_the_band(errors: Any) -> None:
    assert len(errors) == _EACH * _KINDS
    assert 0.7 < statistics.fmean(one.held for one in errors) < 0.9
