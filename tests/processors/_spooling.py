"""Spools, their files and small disks for tests."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from spanledger.processors.spool import DiskSpool, Entry

_numbers = count(1)
MB = 1024 * 1024


def entry(items: int = 1, size: int = 100) -> Entry:
    """An entry that can be told from all others."""
    return Entry("traces", items, f"{next(_numbers):08d}".encode().ljust(size, b"."))


def spool(root: Path, *, max_bytes: int = 16 * MB, destination: str = "here") -> DiskSpool:
    """A spool that looks at its surroundings before each entry."""
    ticks = count()
    return DiskSpool(root, destination, max_bytes, clock=lambda: float(next(ticks)))


def add(to: DiskSpool, *entries: Entry) -> int:
    """Spool entries as the export does; how many items had to go for them."""
    dropped = 0
    for one in entries:
        evicted = to.make_room(one)
        dropped += evicted.own + evicted.orphaned
        to.append(one)
    return dropped


def take(of: DiskSpool, *, most_items: int = 100, most_bytes: int = MB) -> list[Entry]:
    """The next entries, acknowledged."""
    portion = of.next(most_items=most_items, most_bytes=most_bytes)
    if portion is None:
        return []
    assert of.acknowledge(portion)
    return list(portion.entries)


def take_all(of: DiskSpool, *, adopt: bool = True) -> list[Entry]:
    """Everything that is there, and what dead processes left."""
    found: list[Entry] = []
    while more := take(of) or (take(of) if adopt and of.adopt() else []):
        found += more
    return found


def segments(root: Path) -> list[Path]:
    """All segment files of a spool."""
    return sorted(root.glob("*/*/*.seg"))


@contextmanager
def small_disk(folder: Path, size: str = "1m") -> Iterator[Path]:
    """A file system of its own with so little room; skips the test where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
