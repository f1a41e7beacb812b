"""How the process of an agent is: timed operations, a score with advice, work that is bounded."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spanledger.health._gauges import observe

if TYPE_CHECKING:
    from spanledger.health._actions import (
        Action,
        Watch,
        drop_caches,
        open_breaker,
        register_cache,
        trim_memory,
    )
    from spanledger.health._operations import OperationStats, record_operation
    from spanledger.health._report import Report, report
    from spanledger.health._task_pool import TaskPool
    from spanledger.health._timer import operation_timer
    from spanledger.health._worker_pool import WorkerPool
    from spanledger.health.process import Vitals, vitals
    from spanledger.health.scoring import SIGNS, Finding, Sign

__all__ = [
    "SIGNS",
    "Action",
    "Finding",
    "OperationStats",
    "Report",
    "Sign",
    "TaskPool",
    "Vitals",
    "Watch",
    "WorkerPool",
    "drop_caches",
    "observe",
    "open_breaker",
    "operation_timer",
    "record_operation",
    "register_cache",
    "report",
    "trim_memory",
    "vitals",
]

#: Loaded with the first use: an agent that times nothing needs none of it at its start.
_LATER = {
    "SIGNS": "scoring",
    "Action": "_actions",
    "Finding": "scoring",
    "OperationStats": "_operations",
    "Report": "_report",
    "Sign": "scoring",
    "TaskPool": "_task_pool",
    "Vitals": "process",
    "Watch": "_actions",
    "WorkerPool": "_worker_pool",
    "drop_caches": "_actions",
    "open_breaker": "_actions",
    "operation_timer": "_timer",
    "record_operation": "_operations",
    "register_cache": "_actions",
    "report": "_report",
    "trim_memory": "_actions",
    "vitals": "process",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
