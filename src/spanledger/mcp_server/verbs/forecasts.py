"""What comes, and what is out of the ordinary."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from spanledger import analytics
from spanledger.analytics import (
    LONGEST_FORECAST_DAYS,
    AnomalyKind,
    Forecast,
    ForecastMetric,
    Scope,
    burn_rates,
    require_known,
    usage_stats,
)
from spanledger.mcp_server.answers import Answer, page, plain, wanted
from spanledger.mcp_server.arguments import Limit, Name, Offset, Since, moment
from spanledger.mcp_server.place import Place

Of = Annotated[
    Literal["all", "agent", "model", "service", "provider"],
    Field(description="Of everything, or of one of these, with its name."),
]
BudgetWindow = Literal["day", "week", "month"]


class Forecasts:
    """The verbs."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def forecast(
        self,
        metric: ForecastMetric = "cost",
        of: Of = "all",
        name: Name = "",
        days: Annotated[int, Field(ge=1, le=LONGEST_FORECAST_DAYS)] = 14,
        budget: Annotated[
            float | None, Field(gt=0, description="A limit in the metric's unit: when it ends.")
        ] = None,
        window: Annotated[BudgetWindow, Field(description="Of that budget, in UTC.")] = "month",
    ) -> Answer:
        """Cost (US dollars), tokens or calls of the next days, with a band that holds four days of
        five; what is being spent an hour now; and, with a budget, when it ends at this rate."""
        warehouse, scope = self._place.warehouse, Scope(of, name)
        require_known(warehouse, scope)
        found = analytics.forecast(warehouse, metric, scope=scope, days=LONGEST_FORECAST_DAYS)
        if not found.points:
            raise ValueError(f"too little is recorded of {scope} for a forecast")
        shown = Forecast(metric, scope, (), found.points[:days])
        return {
            "metric": metric,
            "of": str(scope),
            "expected_total": round(shown.expected_total, 6),
            "days": [_rounded(point) for point in shown.points],
            "burn_rates": plain(burn_rates(warehouse, scope=scope)),
            "budget_end": None if budget is None else self._end(found, budget, window),
        }

    def anomalies(
        self,
        kind: AnomalyKind | None = None,
        agent: Name = "",
        session: Name = "",
        since: Since = "14d",
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> Answer:
        """Calls, sessions, turns and hours that cost, took or failed far more than usual, the
        newest first, each with its reason in words."""
        if agent and session:
            raise ValueError("give an agent or a session, not both")
        scope = Scope("agent", agent) if agent else Scope("session", session) if session else None
        rows = analytics.anomalies(
            self._place.warehouse,
            kinds=() if kind is None else (kind,),
            scope=scope,
            since=moment(since),
            limit=wanted(limit, offset),
        )
        return page(rows, limit, offset)

    def _end(self, found: Forecast, limit: float, window: BudgetWindow) -> Answer:
        now = datetime.now(UTC)
        start, end = window_around(now, window)
        only = [] if found.scope.by == "all" else [found.scope]
        rows = usage_stats(self._place.warehouse, "all", only=only, since=start)
        spent = 0.0
        if rows:
            used = {"cost": rows[0].cost_usd or 0, "tokens": rows[0].tokens, "calls": rows[0].calls}
            spent = float(used[found.metric])
        told = analytics.budget_end(found, limit=limit, spent=spent, now=now, window_end=end)
        answer: Answer = plain(told)
        return {**answer, "sentence": told.sentence}


def window_around(now: datetime, window: BudgetWindow) -> tuple[datetime, datetime]:
    """When the day, Monday-to-Sunday week or month of `now` began, and when it ends."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return day, day + timedelta(days=1)
    if window == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _rounded(point: analytics.ForecastPoint) -> Answer:
    values = {name: round(getattr(point, name), 6) for name in ("expected", "low", "high")}
    return {"day": point.day.isoformat(), **values}
