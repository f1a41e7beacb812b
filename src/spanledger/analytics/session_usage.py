"""Sessions: the ones that used most, and what one that went well costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from spanledger.analytics._money import known_cost
from spanledger.analytics._period import period
from spanledger.analytics._query import ask
from spanledger.analytics.scope import Scope, lists, names_by_kind, refuse_others, shown
from spanledger.warehouse import Warehouse

SessionOrder = Literal["cost", "calls", "tokens", "failures", "recent"]
SESSION_ORDERS: tuple[SessionOrder, ...] = get_args(SessionOrder)
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class SessionUsage:
    """One session, from its first call to its last one."""

    session_id: str
    started_at: datetime
    last_call_at: datetime
    user_id: str
    agent: str
    """One of them, if several took part."""
    calls: int
    failed_calls: int
    unpriced_calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class SessionOutcomes:
    """How sessions ended, and what they cost.

    What a session told of its end counts (``track.session``); else whether its last agent run
    failed. Of a session without either nothing is known.
    """

    sessions: int
    successful: int
    failed: int
    """Ended in an error, or told that they are incomplete or partial."""
    unknown: int
    cost_usd: Decimal | None
    """Of all of them, as far as it is known."""
    failed_cost_usd: Decimal | None
    """Of those that failed."""

    @property
    def cost_per_successful_session_usd(self) -> Decimal | None:
        """All that was spent on sessions whose end is known, for each that went well; None: none
        did, or the end of a session is not known."""
        if self.cost_usd is None or not self.successful or self.unknown:
            return None
        return (self.cost_usd / self.successful).quantize(Decimal(10) ** -9)


def top_sessions(
    warehouse: Warehouse,
    *,
    by: SessionOrder = "cost",
    only: Sequence[Scope] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 20,
) -> list[SessionUsage]:
    """The sessions that a period touches, those first that used most.

    Args:
        warehouse: Where the history is.
        by: What "most" means.
        only: Only of these agents, users, sessions.
        since: From then on; None: from the beginning. Without a zone: UTC.
        until: Before then; None: to the end.
        limit: At most so many.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    if by not in SESSION_ORDERS:
        raise ValueError(
            f"there is no order {shown(by)}; choose one of {', '.join(SESSION_ORDERS)}"
        )
    asked = {**_asked(only, since, until), "by": by, "limit": max(1, min(limit, _MOST))}
    return [_session(row) for row in ask(warehouse, "top_sessions", **asked)]


def session_outcomes(
    warehouse: Warehouse,
    *,
    only: Sequence[Scope] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> SessionOutcomes:
    """How the sessions that a period touches ended, and what a successful one costs.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    (row,) = ask(warehouse, "session_outcomes", **_asked(only, since, until))
    return SessionOutcomes(
        sessions=row["sessions"],
        successful=row["successful"],
        failed=row["failed"],
        unknown=row["sessions"] - row["successful"] - row["failed"],
        cost_usd=known_cost(row["cost_usd"], row["sessions"]),
        failed_cost_usd=known_cost(row["failed_cost_usd"], row["failed"]),
    )


def _asked(
    only: Sequence[Scope], since: datetime | None, until: datetime | None
) -> dict[str, object]:
    names = names_by_kind(only)
    refuse_others(names, ("agent", "user", "session"), "a question about sessions")
    when, wanted = period(since, until), lists(names)
    return {
        "since_us": when.since_us,
        "until_us": when.until_us,
        **{name: wanted[name] for name in ("agents", "users", "sessions")},
    }


def _session(row: dict[str, Any]) -> SessionUsage:
    return SessionUsage(**{**row, "cost_usd": known_cost(row["cost_usd"], row["calls"])})
