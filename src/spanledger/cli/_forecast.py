"""Forecasts and rates as tables, and the windows of budgets. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from rich.table import Table

from spanledger.analytics import BurnRate, Forecast, ForecastMetric, ForecastPoint
from spanledger.cli._format import show_count
from spanledger.cli._tables import NONE, bar, table

_PAST_DAYS = 7


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which a budget counts."""

    start: datetime
    end: datetime


def window_of(name: Literal["day", "week", "month"], now: datetime) -> Window:
    """The calendar window around `now`, in its zone."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if name == "day":
        return Window(today, today + timedelta(days=1))
    if name == "week":
        monday = today - timedelta(days=today.weekday())
        return Window(monday, monday + timedelta(days=7))
    first = today.replace(day=1)
    return Window(first, (first + timedelta(days=32)).replace(day=1))


def show_amount(metric: ForecastMetric, amount: float) -> str:
    """In the metric's unit, as exact as a forecast is."""
    if metric != "cost":
        return f"{amount:,.0f}"
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4g}"


def forecast_table(found: Forecast) -> Table:
    """The last week and the days to come."""
    days = [*found.history[-_PAST_DAYS:], *found.points]
    most = max((max(day.expected, day.actual or 0) for day in days), default=0)
    return table(
        ["day", "", found.metric, "expected", "low", "high"],
        [_cells(found.metric, day, most) for day in days],
        words=2,
    )


def _cells(metric: ForecastMetric, day: ForecastPoint, most: float) -> list[str]:
    amount = day.expected if day.actual is None else day.actual
    return [
        f"{day.day:%a %Y-%m-%d}",
        bar(amount, most) or " ",
        NONE if day.actual is None else show_amount(metric, day.actual),
        *(show_amount(metric, value) for value in (day.expected, day.low, day.high)),
    ]


def rates_table(rates: Sequence[BurnRate]) -> Table:
    """How fast money goes."""
    return table(
        ["in the last", "cost", "an hour", "calls"],
        [
            [
                rate.period,
                show_amount("cost", rate.cost_usd),
                show_amount("cost", rate.usd_per_hour),
                show_count(rate.calls),
            ]
            for rate in rates
        ],
    )
