"""The local stack: OTLP in, embedded ClickHouse, no server needed.

>>> from spanledger import stack
>>> running = stack.start()  # doctest: +SKIP
>>> running.otlp_endpoint  # doctest: +SKIP
'http://127.0.0.1:4318'
"""

from spanledger.config import default_data_dir
from spanledger.stack._info import StackInfo
from spanledger.stack._lifecycle import health, start, status, stop
from spanledger.stack.errors import (
    AlreadyRunning,
    BackupInvalid,
    DataDirNotWritable,
    EngineFailed,
    EngineMissing,
    GraduationFailed,
    NewerData,
    PlatformUnsupported,
    PortTaken,
    StackError,
    StartFailed,
    StartTimedOut,
    StopTimedOut,
    TargetNotEmpty,
)

__all__ = [
    "AlreadyRunning",
    "BackupInvalid",
    "DataDirNotWritable",
    "EngineFailed",
    "EngineMissing",
    "GraduationFailed",
    "NewerData",
    "PlatformUnsupported",
    "PortTaken",
    "StackError",
    "StackInfo",
    "StartFailed",
    "StartTimedOut",
    "StopTimedOut",
    "TargetNotEmpty",
    "default_data_dir",
    "health",
    "start",
    "status",
    "stop",
]
