"""Tools by name: described for a model, called with what it gave, chained, and permitted."""

from spanledger.track._permissions import Permission, permit, permitted
from spanledger.track._tool_errors import (
    InvalidArguments,
    PermissionDenied,
    ToolTimeout,
    UnknownTool,
)
from spanledger.track.tools._chains import Step
from spanledger.track.tools._registry import Registry
from spanledger.track.tools._results import ChainResult, ToolResult
from spanledger.track.tools._spec import Form, ToolSpec

__all__ = [
    "ChainResult",
    "Form",
    "InvalidArguments",
    "Permission",
    "PermissionDenied",
    "Registry",
    "Step",
    "ToolResult",
    "ToolSpec",
    "ToolTimeout",
    "UnknownTool",
    "permit",
    "permitted",
]
