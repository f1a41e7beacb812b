"""What waits on disk to be sent: segments of entries, a folder for each process."""

from spanledger.processors.spool.disk import DiskSpool
from spanledger.processors.spool.folder import Portion
from spanledger.processors.spool.layout import Entry, Signal
from spanledger.processors.spool.place import SpoolState, destination_name, spool_state

__all__ = [
    "DiskSpool",
    "Entry",
    "Portion",
    "Signal",
    "SpoolState",
    "destination_name",
    "spool_state",
]
