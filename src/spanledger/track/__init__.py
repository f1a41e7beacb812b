"""What users call in code: who is acting, for whom, with which tool, and what happens."""

from spanledger.track._arguments import arguments_hash
from spanledger.track._baggage import use_baggage
from spanledger.track._carry import CARRIED_ENV, Carried, arrive, arrive_by, attach, carried, carry
from spanledger.track._content import Capture, note_command, use_capture, use_keeper, wanting
from spanledger.track._error import error
from spanledger.track._event import event
from spanledger.track._ids import new_error_id
from spanledger.track._proxies import wrap, wrap_tools
from spanledger.track._reporting import Reporter, reporter, use_reporter
from spanledger.track._scope import (
    Scope,
    attributes,
    bind_scope,
    current_scope,
    has_bound_scope,
    in_scope,
    is_bound,
)
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
