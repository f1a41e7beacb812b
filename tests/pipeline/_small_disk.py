"""A file system of a few megabytes that a test can fill."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class SmallDisk:
    """Mounted at `path`."""

    path: Path

    def fill(self) -> None:
        """Leave not a byte."""
        with self._filler().open("wb", buffering=0) as file:
            for size in (1024 * 1024, 4096):
                _write_until_full(file.fileno(), bytes(size))

    def free(self) -> None:
        self._filler().unlink(missing_ok=True)

    def _filler(self) -> Path:
        return self.path / "filler"


def _write_until_full(descriptor: int, block: bytes) -> None:
    try:
        while os.write(descriptor, block):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """A disk of its own in memory; skips where mounting isn't allowed (it needs root)."""
    path.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(path)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here, so no disk that could be filled")
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
