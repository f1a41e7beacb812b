"""What can go wrong around the local stack: one class, one clear sentence each."""

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
    "StartFailed",
    "StartTimedOut",
    "StopTimedOut",
    "TargetNotEmpty",
]


class StackError(Exception):
    """Base of everything the local stack raises."""


class PortTaken(StackError):
    """Another program listens on a port that the stack was told to use."""


class AlreadyRunning(StackError):
    """A daemon already owns this data directory."""


class DataDirNotWritable(StackError):
    """The data directory can't be created or written."""


class NewerData(StackError):
    """The data directory was written by a newer engine, whose data an older one can't see."""


class EngineMissing(StackError):
    """The embedded engine is not installed."""


class PlatformUnsupported(StackError):
    """The embedded engine does not exist for this platform."""


class EngineFailed(StackError):
    """The embedded engine could not open its files."""


class StartFailed(StackError):
    """The daemon ended before it was ready."""


class StartTimedOut(StackError):
    """The daemon was not ready in time."""


class StopTimedOut(StackError):
    """The daemon did not end, even when killed."""


class BackupInvalid(StackError):
    """A folder is no whole backup, or one of a newer engine or Spanledger."""


class TargetNotEmpty(StackError):
    """Where something is to be written, there is something already."""


class GraduationFailed(StackError):
    """What arrived at the destination is not what was sent."""
