"""Calls that no program recorded, written down by hand."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from spanledger import semconv
from spanledger.analytics._money import usd
from spanledger.analytics._period import utc
from spanledger.analytics.scope import LONGEST_NAME, shown
from spanledger.warehouse import Warehouse

_COLUMNS = (
    "Timestamp", "TraceId", "SpanId", "SpanName", "SpanKind", "ServiceName", "ResourceAttributes",
    "ScopeName", "SpanAttributes", "Duration", "StatusCode",
)  # fmt: skip
_SCOPE_NAME = "spanledger.analytics"
_COUNTS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_MOST_TOKENS = 2**32 - 1
#: What fits into Decimal(18, 9).
_MOST_NANO_USD = 10**18 - 1


@dataclass(frozen=True, slots=True)
class TrackedCall:
    """One call of a model. Cached tokens are part of the input, reasoning of the output.

    Raises:
        ValueError: a name is missing or too long, or a number can't be.
    """

    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int | None = None
    """None: unpriced."""
    price_version: str = ""
    agent: str = ""
    session: str = ""
    user: str = ""
    service: str = "by-hand"
    operation: str = "chat"
    duration_s: float = 0.0
    failed: bool = False

    @property
    def cost_usd(self) -> Decimal | None:
        """None: unpriced."""
        return None if self.cost_nano_usd is None else usd(self.cost_nano_usd)

    def __post_init__(self) -> None:
        _check_names(self)
        _check_tokens(self)
        if self.cost_nano_usd is not None and not 0 <= self.cost_nano_usd <= _MOST_NANO_USD:
            raise ValueError("a call can't cost that; give 0 to 999,999,999 US dollars")
        if not 0 <= self.duration_s <= timedelta(days=365).total_seconds():
            raise ValueError(f"a call can't take {self.duration_s:g} s; give 0 to one year")


def track_call(warehouse: Warehouse, call: TrackedCall, *, at: datetime) -> str:
    """Record a call as if a program had sent its span; its trace id.

    Args:
        warehouse: Where the history is.
        call: What was called, and what it used.
        at: When it began. Without a zone: UTC.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    trace_id = secrets.token_hex(16)
    row = [
        utc(at),
        trace_id,
        secrets.token_hex(8),
        f"{call.operation} {call.model}",
        "Client",
        call.service,
        {semconv.SERVICE_NAME: call.service},
        _SCOPE_NAME,
        _attributes(call),
        round(call.duration_s * 1e9),
        "Error" if call.failed else "Unset",
    ]
    warehouse.insert("otel_traces", _COLUMNS, [row])
    return trace_id


def _attributes(call: TrackedCall) -> dict[str, str]:
    """Those of the span that our gate would have made."""
    told: dict[str, object] = {
        semconv.OPERATION_NAME: call.operation,
        semconv.PROVIDER_NAME: call.provider,
        semconv.REQUEST_MODEL: call.model,
        semconv.AGENT_NAME: call.agent,
        semconv.CONVERSATION_ID: call.session,
        semconv.USER_ID: call.user,
        semconv.USAGE_INPUT_TOKENS: call.input_tokens,
        semconv.USAGE_OUTPUT_TOKENS: call.output_tokens,
        semconv.USAGE_CACHE_READ_TOKENS: call.cache_read_tokens,
        semconv.USAGE_CACHE_WRITE_TOKENS: call.cache_write_tokens,
        semconv.USAGE_REASONING_TOKENS: call.reasoning_tokens,
        semconv.COST_NANO_USD: "" if call.cost_nano_usd is None else call.cost_nano_usd,
        semconv.COST_PROVENANCE: "unpriced" if call.cost_nano_usd is None else "computed",
        semconv.COST_PRICE_VERSION: call.price_version,
        semconv.BILLING: "call",
    }
    return {name: str(value) for name, value in told.items() if value != ""}


def _check_names(call: TrackedCall) -> None:
    if not call.provider or not call.model:
        raise ValueError("a call has a provider and a model; give both")
    for name in (call.provider, call.model, call.agent, call.session, call.user, call.service):
        if len(name) > LONGEST_NAME:
            raise ValueError(
                f"{shown(name)} has {len(name):,} characters; a name has at most {LONGEST_NAME:,}"
            )


def _check_tokens(call: TrackedCall) -> None:
    for field in _COUNTS:
        if not 0 <= getattr(call, field) <= _MOST_TOKENS:
            raise ValueError(f"{field} is {getattr(call, field):,}; give 0 to {_MOST_TOKENS:,}")
    if call.cache_read_tokens + call.cache_write_tokens > call.input_tokens:
        raise ValueError("cached tokens are part of the input tokens, and can't be more")
    if call.reasoning_tokens > call.output_tokens:
        raise ValueError("reasoning tokens are part of the output tokens, and can't be more")
