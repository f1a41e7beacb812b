"""Actions by few words."""

from typing import Any

from spanledger.history import Action, Kind, Status
from spanledger.history.texts import texts_of

ENGLISH = texts_of("en")
SECOND = 10**9
#: 1 March 2026, 12:00 UTC.
START_NS = 1_772_366_400 * SECOND


def action(
    number: int,
    kind: Kind = "tool",
    name: str = "search",
    status: Status = "success",
    *,
    inside: int = 0,
    **more: Any,
) -> Action:
    """The `number`-th action of trace ``t``, a second long, at its own second."""
    given: dict[str, Any] = {
        "trace_id": "t",
        "span_id": f"{number:016x}",
        "parent_span_id": f"{inside:016x}" if inside else "",
        "started_ns": START_NS + number * SECOND,
        "duration_ns": SECOND // 2,
    }
    return Action(kind=kind, name=name, status=status, **(given | more))


def container(number: int, kind: Kind, name: str, seconds: int, **more: Any) -> Action:
    """What holds others for so many seconds."""
    return action(number, kind, name, "completed", duration_ns=seconds * SECOND, **more)
