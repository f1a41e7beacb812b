"""Who used how much: calls, tokens, cost, failures, latency by one dimension and step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from spanledger.analytics._histogram import percentile_s
from spanledger.analytics._money import known_cost
from spanledger.analytics._period import Period, period
from spanledger.analytics._query import ask_from
from spanledger.analytics.scope import Scope, ScopeKind, lists, names_by_kind, shown
from spanledger.warehouse import Warehouse

UsageDimension = ScopeKind
UsageWindow = Literal["total", "hour", "day", "week", "month"]
USAGE_WINDOWS: tuple[UsageWindow, ...] = get_args(UsageWindow)

_ROLLED_UP: frozenset[ScopeKind] = frozenset(
    {"all", "service", "agent", "operation", "provider", "model"}
)
_TOOLS_ROLLED_UP: frozenset[ScopeKind] = frozenset({"service", "agent", "tool"})
_OF_TOOLS: frozenset[ScopeKind] = frozenset({"service", "agent", "session", "user", "tool"})


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one agent, session … used in one step of time. Cost and tokens as in `CostRow`."""

    name: str
    start: datetime | None
    """When the hour, day, Monday-to-Sunday week or month begins, UTC; None for a total."""
    calls: int
    failed_calls: int
    unpriced_calls: int
    estimated_calls: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal | None
    duration_s: float
    """All calls together."""
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None
    """Latency that half, 90 % and 99 % of the calls stay below, within 4.5 %; None: no call."""

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.input_tokens + self.output_tokens

    @property
    def average_cost_usd(self) -> Decimal | None:
        """Of the calls whose cost is known; None if there is none."""
        priced = self.calls - self.unpriced_calls
        if self.cost_usd is None or not priced:
            return None
        return (self.cost_usd / priced).quantize(Decimal(10) ** -9)

    @property
    def average_tokens(self) -> float | None:
        return self.tokens / self.calls if self.calls else None

    @property
    def average_duration_s(self) -> float | None:
        return self.duration_s / self.calls if self.calls else None

    @property
    def success_rate(self) -> float | None:
        """Between 0 and 1; None without a call."""
        return 1 - self.failed_calls / self.calls if self.calls else None


def usage_stats(
    warehouse: Warehouse,
    by: UsageDimension = "agent",
    *,
    window: UsageWindow = "total",
    only: Sequence[Scope] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> list[UsageRow]:
    """Use by `by` and `window`, the dearest name first, its steps in their order.

    Args:
        warehouse: Where the history is.
        by: One of `SCOPE_KINDS`; ``all`` for one row a step.
        window: Length of the steps; ``total``: none.
        only: Only calls of these; several of one kind are alternatives.
        since: From then on; None: from the beginning. Without a zone: UTC.
        until: Before then; None: to the end.
        limit: At most so many names.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    if window not in USAGE_WINDOWS:
        raise ValueError(
            f"there is no window {shown(window)}; choose one of {', '.join(USAGE_WINDOWS)}"
        )
    Scope(by, "" if by == "all" else "-")  # says so if there is no such dimension
    names = names_by_kind(only)
    _check_tools(by, names)
    asked = _parameters(period(since, until), names, window, max(1, min(limit, 100_000)))
    return [_row(row) for row in _rows(warehouse, by, names, asked)]


def _check_tools(by: ScopeKind, names: Mapping[ScopeKind, list[str]]) -> None:
    """What is known of calls of tools, and what of calls of models."""
    if by == "tool" and (wrong := [kind for kind in names if kind not in _OF_TOOLS]):
        raise ValueError(f"calls of tools have no {wrong[0]}; leave it out, or ask by another")
    if by != "tool" and "tool" in names:
        raise ValueError("calls of models have no tool; ask by tool")


def _parameters(
    when: Period, names: Mapping[ScopeKind, list[str]], window: str, limit: int
) -> dict[str, object]:
    when_asked = when.parameters(days=window != "hour")
    return {**when_asked, **lists(names), "window": window, "limit": limit}


def _rows(
    warehouse: Warehouse,
    by: ScopeKind,
    names: Mapping[ScopeKind, list[str]],
    asked: dict[str, object],
) -> list[dict[str, Any]]:
    if by == "tool":
        rolled_up = _TOOLS_ROLLED_UP.issuperset(names)
        return ask_from(warehouse, "usage_tools_rollup" if rolled_up else "usage_tools", asked)
    if _ROLLED_UP.issuperset({by, *names}):
        return ask_from(warehouse, "usage_rollup", {**asked, "by": by})
    if by in {"session", "user"} and not names:
        # The roll-up says who they are; the calls of these few say the rest.
        found = ask_from(warehouse, f"usage_top_{by}s", asked)
        if not found:
            return []
        asked = {**asked, f"{by}s": [row["name"] for row in found]}
    return ask_from(warehouse, "usage_calls", {**asked, "by": by})


def _row(row: Mapping[str, Any]) -> UsageRow:
    counts = {name: int(row.get(name, 0)) for name in _COUNTS}
    histogram = row["duration_histogram"]
    start: datetime = row["start"]
    return UsageRow(
        name=row["name"],
        start=start if start.timestamp() else None,
        **counts,
        cost_usd=known_cost(row.get("cost_usd"), counts["calls"]),
        duration_s=row["duration_us"] / 1e6,
        p50_s=percentile_s(histogram, 0.5),
        p90_s=percentile_s(histogram, 0.9),
        p99_s=percentile_s(histogram, 0.99),
    )


_COUNTS = (
    "calls",
    "failed_calls",
    "unpriced_calls",
    "estimated_calls",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
