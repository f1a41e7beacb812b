"""Counting rules as tables, as they are written in TOML. Pure."""

from datetime import UTC, tzinfo
from decimal import Decimal

from spanledger.guard.decision import Metric
from spanledger.guard.rules import Budget, RateLimit


def budget_table(budget: Budget) -> dict[str, object]:
    """A budget with all of its keys; a limit of money in US dollars, as a text."""
    return {
        "name": budget.name,
        "metric": budget.metric,
        "limit": _limit(budget.metric, budget.limit),
        "window": budget.window,
        "scope": budget.scope,
        "time_zone": zone_name(budget.zone),
        "thresholds": list(budget.thresholds),
        "enforce": budget.enforce,
        "each": budget.each,
        "match": dict(budget.match),
        "trip": budget.trip,
    }


def rate_limit_table(rate: RateLimit) -> dict[str, object]:
    """A rate limit with all of its keys; concurrency has no ``per``."""
    return {
        "name": rate.name,
        "metric": rate.metric,
        "limit": rate.limit,
        **({} if rate.per is None else {"per": rate.per}),
        "scope": rate.scope,
        "each": rate.each,
        "match": dict(rate.match),
    }


def dollars(nano_usd: int) -> Decimal:
    """Nano-USD in US dollars, exactly."""
    return Decimal(nano_usd).scaleb(-9)


def zone_name(zone: tzinfo) -> str:
    """``UTC``, or a name of the zone database."""
    return "UTC" if zone is UTC else str(zone)


def _limit(metric: Metric, limit: int) -> str | int:
    return format(dollars(limit).normalize(), "f") if metric == "cost" else limit
