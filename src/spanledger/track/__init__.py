"""What users call in code: who is acting, for whom, with which tool, and what happens."""

from spanledger.track._baggage import use_baggage
from spanledger.track._carry import CARRIED_ENV, Carried, arrive, arrive_by, attach, carried, carry
from spanledger.track._content import Capture, use_capture
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
from spanledger.track._tool import ToolCall, arguments_hash, tool, tool_call

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
    "error",
    "event",
    "has_bound_scope",
    "in_scope",
    "is_bound",
    "new_error_id",
    "operation",
    "recent_snapshots",
    "record_error",
    "reporter",
    "session",
    "snapshot",
    "tool",
    "tool_call",
    "use_baggage",
    "use_capture",
    "use_reporter",
    "user",
    "wrap",
    "wrap_tools",
]
