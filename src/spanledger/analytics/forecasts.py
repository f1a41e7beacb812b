"""What the next days will cost, and when a limit will be reached."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, get_args

from spanledger.analytics._period import utc
from spanledger.analytics._query import ask
from spanledger.analytics.scope import Scope, ScopeKind, refuse_others, shown
from spanledger.warehouse import Warehouse

ForecastMetric = Literal["cost", "tokens", "calls"]
FORECAST_METRICS: tuple[ForecastMetric, ...] = get_args(ForecastMetric)
LONGEST_FORECAST_DAYS = 92
_SCOPES: tuple[ScopeKind, ...] = ("all", "agent", "model", "service", "provider")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ForecastPoint:
    """One day (UTC). Cost in US dollars."""

    day: date
    actual: float | None
    """None: not over yet."""
    expected: float
    """Of days before today: what was expected one day ahead."""
    low: float
    high: float
    """Four days of five lie between `low` and `high`."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Days gone by and days to come, of one scope and metric."""

    metric: ForecastMetric
    scope: Scope
    history: Sequence[ForecastPoint]
    points: Sequence[ForecastPoint]
    """From today on. Empty: nothing is recorded of this scope in the last 16 weeks."""

    @property
    def expected_total(self) -> float:
        """Of all days to come, today included."""
        return sum(point.expected for point in self.points)


@dataclass(frozen=True, slots=True)
class BudgetEnd:
    """When a limit will be reached, at the rate that is expected."""

    limit: float
    spent: float
    window_end: datetime
    ends_at: datetime | None
    """None: not before the window ends."""
    earliest: datetime | None
    """If every day becomes as dear as it may; None: not even then."""
    expected_total: float
    """Of the whole window, what is spent included."""
    low_total: float
    high_total: float

    @property
    def sentence(self) -> str:
        """In words."""
        if self.spent >= self.limit:
            return "the budget is used up"
        if self.ends_at is not None:
            return f"at this rate the budget ends on {self.ends_at:%d %B at %H:%M} UTC"
        if self.earliest is not None:
            return (
                f"the budget lasts until {self.window_end:%d %B} if days stay as expected; as "
                f"dear as they may become, it ends on {self.earliest:%d %B at %H:%M} UTC"
            )
        return f"the budget lasts until its window ends on {self.window_end:%d %B at %H:%M} UTC"


def forecast(
    warehouse: Warehouse,
    metric: ForecastMetric = "cost",
    *,
    scope: Scope | None = None,
    days: int = 30,
) -> Forecast:
    """What each of the next `days` days will bring (1 to 92, today is the first), with a band.

    Learnt from the last 16 weeks, at most ten minutes ago; the more of them there are, the
    better. Without two whole weeks it knows of no weekdays.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    whose = scope or Scope()
    if metric not in FORECAST_METRICS:
        raise ValueError(
            f"{shown(metric)} can't be forecast; choose one of {', '.join(FORECAST_METRICS)}"
        )
    if not 1 <= days <= LONGEST_FORECAST_DAYS:
        raise ValueError(
            f"a forecast of {days:,} days is not possible; give 1 to {LONGEST_FORECAST_DAYS}"
        )
    refuse_others([whose.by], _SCOPES, "a forecast")
    asked = {"scope": whose.by, "name": whose.name, "metric": metric, "days": days}
    # What was worked out minutes ago is there at once, and is about whole days anyway.
    rows = ask(warehouse, "forecast_build", **asked) or ask(warehouse, "forecast", **asked)
    known = [point(row) for row in rows if row["actual"] is not None]
    return Forecast(metric, whose, known, [point(row) for row in rows if row["actual"] is None])


def point(row: dict[str, Any]) -> ForecastPoint:
    """A row of the view `forecast_daily`."""
    names = ("day", "actual", "expected", "low", "high")
    return ForecastPoint(**{name: row[name] for name in names})


def budget_end(
    found: Forecast, *, limit: float, spent: float, now: datetime, window_end: datetime
) -> BudgetEnd:
    """Pure: when what is spent, and what is expected from `now` on, reaches a limit.

    Args:
        found: The forecast of whatever the budget counts, up to the end of its window.
        limit: In the unit of the metric (US dollars).
        spent: Of it, up to now.
        now: The moment at which `spent` was read.
        window_end: When the budget starts anew.

    Raises:
        ValueError: the limit is not above 0, or the window ends before now or after the forecast.
    """
    now, end = utc(now), utc(window_end)
    if limit <= 0:
        raise ValueError(f"a budget of {limit:g} allows nothing; give a limit above 0")
    if end <= now:
        raise ValueError(f"the window ended at {end:%Y-%m-%d %H:%M}, before now")
    if found.points and end > _midnight(found.points[-1].day) + _DAY:
        raise ValueError(
            f"the window ends on {end:%Y-%m-%d}, after the forecast; ask for more days"
        )
    totals = {
        name: spent + sum(amount for _, _, amount in _pieces(found.points, name, now, end))
        for name in ("expected", "low", "high")
    }
    return BudgetEnd(
        limit=limit,
        spent=spent,
        window_end=end,
        ends_at=_reached(found.points, "expected", limit - spent, now, end),
        earliest=_reached(found.points, "high", limit - spent, now, end),
        expected_total=totals["expected"],
        low_total=totals["low"],
        high_total=totals["high"],
    )


def _reached(
    points: Sequence[ForecastPoint], name: str, left: float, now: datetime, end: datetime
) -> datetime | None:
    if left <= 0:
        return now
    for start, length, amount in _pieces(points, name, now, end):
        if amount >= left:
            return start + length * (left / amount)
        left -= amount
    return None


def _pieces(
    points: Sequence[ForecastPoint], name: str, now: datetime, end: datetime
) -> Iterator[tuple[datetime, timedelta, float]]:
    """Each day between now and the end, as far as it lies there: start, length, amount."""
    for day in points:
        first = max(_midnight(day.day), now)
        length = min(_midnight(day.day) + _DAY, end) - first
        if length > timedelta(0):
            yield first, length, getattr(day, name) * (length / _DAY)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
