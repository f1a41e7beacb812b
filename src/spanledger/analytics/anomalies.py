"""What stands out of the last two weeks, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from spanledger.analytics._period import period
from spanledger.analytics._query import ask
from spanledger.analytics.scope import Scope, refuse_others, shown
from spanledger.warehouse import Warehouse

AnomalyKind = Literal["cost_per_call", "cost_per_session", "cost_per_turn", "latency", "error_rate"]
ANOMALY_KINDS: tuple[AnomalyKind, ...] = get_args(AnomalyKind)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One hour of an agent, one session or one turn that stands out."""

    at: datetime
    """The hour; of a session its last call; of a turn its start."""
    kind: AnomalyKind
    scope: str
    """agent, session or turn."""
    name: str
    """The agent, the session's id, the turn's trace id."""
    agent: str
    value: float
    """US dollars, seconds, or the share of calls that failed."""
    usual: float
    times: float
    reason: str
    """Both in words, and what explains it best."""


def anomalies(
    warehouse: Warehouse,
    *,
    kinds: Sequence[AnomalyKind] = (),
    scope: Scope | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
) -> list[Anomaly]:
    """The newest first. There are none where less than twelve hours, sessions or turns of an
    agent are recorded: nothing is usual yet.

    Args:
        warehouse: Where the history is.
        kinds: Only these; empty: all.
        scope: Only of this agent, or this session.
        since: From then on; at most two weeks are looked at. Without a zone: UTC.
        until: Before then; None: to the end.
        limit: At most so many.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    whose = scope or Scope()
    refuse_others([whose.by], ("all", "agent", "session"), "a question about anomalies")
    for kind in kinds:
        if kind not in ANOMALY_KINDS:
            raise ValueError(
                f"there is no anomaly {shown(kind)}; choose one of {', '.join(ANOMALY_KINDS)}"
            )
    when = period(since, until)
    rows = ask(
        warehouse,
        "anomalies",
        kinds=list(kinds),
        by=whose.by,
        name=whose.name,
        since_s=when.since_us // 1_000_000,
        until_s=when.until_us // 1_000_000,
        limit=max(1, min(limit, 10_000)),
    )
    return [Anomaly(**row) for row in rows]
