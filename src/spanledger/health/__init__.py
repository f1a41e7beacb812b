"""How the process of an agent is: timed operations, a score with advice, work that is bounded."""

from spanledger.health._actions import (
    Action,
    Watch,
    drop_caches,
    open_breaker,
    register_cache,
    trim_memory,
)
from spanledger.health._operations import OperationStats, record_operation
from spanledger.health._report import Report, observe, report
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
