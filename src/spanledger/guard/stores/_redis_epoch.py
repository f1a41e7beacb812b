"""Which data of a Redis server this host has seen: one small file for each server and prefix.

A server that comes back empty looks like one on which nothing was spent. The file, and the
memory of running processes, know better.
"""

import os
import uuid
from pathlib import Path


class EpochFile:
    """The last known epoch of a ledger. It is a note, not a lock: the server decides."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> str:
        """The epoch, or '' if none is known."""
        try:
            return self._path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""

    def write(self, epoch: str) -> None:
        """Note an epoch, in one step.

        Raises:
            OSError: the directory can't be written.
        """
        if epoch == self.read():
            return
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
        part.write_text(epoch + "\n", encoding="ascii")
        part.chmod(0o600)
        part.replace(self._path)
