"""What users call in code: who is acting, for whom, with which tool, and what happens."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spanledger.track._baggage import use_baggage
from spanledger.track._carry import CARRIED_ENV, Carried, arrive, arrive_by, attach, carried, carry
from spanledger.track._content import Capture, note_command, use_capture, use_keeper, wanting
from spanledger.track._ids import new_error_id
from spanledger.track._reporting import Reporter, reporter, use_reporter
from spanledger.track._scope import (
    Scope,
    attributes,
    bind_scope,
    current_scope,
    has_bound_scope,
    in_scope,
    is_bound,
    scope_below,
)

if TYPE_CHECKING:
    from spanledger.track._arguments import arguments_hash
    from spanledger.track._error import error
    from spanledger.track._event import event
    from spanledger.track._proxies import wrap, wrap_tools
    from spanledger.track._snapshot import Snapshot, recent_snapshots, snapshot
    from spanledger.track._spans import (
        Session,
        SessionStatus,
        Tracked,
        agent,
        operation,
        record_error,
        session,
        user,
    )
    from spanledger.track._tool import ToolCall, tool, tool_call
    from spanledger.track._tries import Try, current_try, trying

__all__ = [
    "CARRIED_ENV",
    "Capture",
    "Carried",
    "Reporter",
    "Scope",
    "Session",
    "SessionStatus",
    "Snapshot",
    "ToolCall",
    "Tracked",
    "Try",
    "agent",
    "arguments_hash",
    "arrive",
    "arrive_by",
    "attach",
    "attributes",
    "bind_scope",
    "carried",
    "carry",
    "current_scope",
    "current_try",
    "error",
    "event",
    "has_bound_scope",
    "in_scope",
    "is_bound",
    "new_error_id",
    "note_command",
    "operation",
    "recent_snapshots",
    "record_error",
    "reporter",
    "scope_below",
    "session",
    "snapshot",
    "tool",
    "tool_call",
    "trying",
    "use_baggage",
    "use_capture",
    "use_keeper",
    "use_reporter",
    "user",
    "wanting",
    "wrap",
    "wrap_tools",
]

#: Loaded with the first use: an agent that names no tools or sessions needs none of it.
_LATER = {
    "Session": "_spans",
    "SessionStatus": "_spans",
    "Snapshot": "_snapshot",
    "ToolCall": "_tool",
    "Tracked": "_spans",
    "Try": "_tries",
    "agent": "_spans",
    "arguments_hash": "_arguments",
    "current_try": "_tries",
    "error": "_error",
    "event": "_event",
    "operation": "_spans",
    "recent_snapshots": "_snapshot",
    "record_error": "_spans",
    "session": "_spans",
    "snapshot": "_snapshot",
    "tool": "_tool",
    "tool_call": "_tool",
    "trying": "_tries",
    "user": "_spans",
    "wrap": "_proxies",
    "wrap_tools": "_proxies",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Kept, for programs write `track.session(…)` where they serve a request.
    found = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return found
