"""What users call in code: who is acting, for whom, with which tool."""

from spanledger.track._scope import Scope, attributes, current_scope, in_scope
from spanledger.track._spans import Tracked, agent, operation, record_error, session, user
from spanledger.track._tool import arguments_hash, tool

__all__ = [
    "Scope",
    "Tracked",
    "agent",
    "arguments_hash",
    "attributes",
    "current_scope",
    "in_scope",
    "operation",
    "record_error",
    "session",
    "tool",
    "user",
]
