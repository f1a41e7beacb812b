"""What can go wrong around the local stack: one class, one clear sentence each."""

__all__ = [
    "AlreadyRunning",
    "DataDirNotWritable",
    "EngineFailed",
    "EngineMissing",
    "NewerData",
    "PlatformUnsupported",
    "PortTaken",
    "StackError",
    "StartFailed",
    "StartTimedOut",
    "StopTimedOut",
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
