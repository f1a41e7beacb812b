"""What a report for people who decide is about, asked for at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from spanledger.analytics import (
    Anomaly,
    CacheSaving,
    Forecast,
    RefusedRow,
    RetryRow,
    SessionOutcomes,
    SessionUsage,
    Totals,
    UsageRow,
    UsageWindow,
    anomalies,
    cache_use,
    forecast,
    refused_work,
    retries,
    session_outcomes,
    top_sessions,
    totals,
    usage_stats,
)
from spanledger.cli.usage.cache import savings
from spanledger.warehouse import Warehouse

_TOP = 10
_AHEAD_DAYS = 14
_FEW = 5


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """All that a report tells."""

    since: datetime | None
    at: datetime
    """When it was asked for."""
    window: UsageWindow
    """Length of `steps`."""
    total: Totals
    steps: Sequence[UsageRow]
    agents: Sequence[UsageRow]
    models: Sequence[UsageRow]
    sessions: Sequence[SessionUsage]
    outcomes: SessionOutcomes
    caches: Sequence[CacheSaving]
    retries: Sequence[RetryRow]
    refused: Sequence[RefusedRow]
    forecast: Forecast
    anomalies: Sequence[Anomaly]


def gather(warehouse: Warehouse, since: datetime | None, now: datetime) -> ReportFacts:
    """Everything since a time (None: of all times).

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    window: UsageWindow = "day"
    if since is not None and now - since <= timedelta(days=2):
        window = "hour"
    return ReportFacts(
        since=since,
        at=now,
        window=window,
        total=totals(warehouse, since=since),
        steps=usage_stats(warehouse, "all", window=window, since=since),
        agents=usage_stats(warehouse, "agent", since=since, limit=_TOP),
        models=usage_stats(warehouse, "model", since=since, limit=_TOP),
        sessions=top_sessions(warehouse, since=since, limit=_FEW),
        outcomes=session_outcomes(warehouse, since=since),
        caches=savings(cache_use(warehouse, since=since)),
        retries=retries(warehouse, since=since, limit=_TOP),
        refused=refused_work(warehouse, since=since, limit=_TOP),
        forecast=forecast(warehouse, "cost", days=_AHEAD_DAYS),
        anomalies=anomalies(warehouse, since=since, limit=_FEW),
    )
