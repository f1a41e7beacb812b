"""What an action is and how it went, by what its span says. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from spanledger import semconv

Kind = Literal["tool", "call", "agent", "operation", "session"]
Status = Literal["success", "error", "completed", "incomplete", "partial"]

KINDS: tuple[Kind, ...] = get_args(Kind)
STATUSES: tuple[Status, ...] = get_args(Status)

#: By what a span says that it stands for.
_LABELS: Mapping[str, Kind] = {
    "session": "session",
    "agent": "agent",
    semconv.AGENT_OPERATION: "agent",
    "AGENT": "agent",
    "tool": "tool",
    semconv.TOOL_OPERATION: "tool",
    "TOOL": "tool",
    "operation": "operation",
}
#: What only holds others: that it did not fail does not say that it reached its goal.
_AROUND = frozenset({"agent", "operation", "session"})
_CUT_SHORT = frozenset({"length", "max_tokens", "MAX_TOKENS"})
_LEFT = frozenset({"abandoned", "cancelled", "closed"})


def kind_of(label: str) -> Kind | None:
    """What a span with this label is that is no model call; None if it is no action."""
    return _LABELS.get(label)


def status_of(
    kind: Kind,
    *,
    failed: bool,
    told: str = "",
    stream: str = "",
    finish_reasons: Iterable[Any] = (),
) -> Status:
    """How an action went, by what its span says.

    `told` is what the program said of a session, `stream` how a stream was left. What `settle`
    adds from what happened below it is not in here.
    """
    if told in STATUSES:
        return told
    if failed:
        return "error"
    if stream in _LEFT:
        return "incomplete"
    if stream == "cut" or not _CUT_SHORT.isdisjoint(finish_reasons):
        return "partial"
    return "completed" if kind in _AROUND else "success"
