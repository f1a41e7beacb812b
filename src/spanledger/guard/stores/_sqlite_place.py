"""Where a ledger file may lie: private, on a disk of this machine, and still the same file."""

import os
import re
import stat
from pathlib import Path

from spanledger.guard.stores.errors import StoreUnavailable

#: Locks and shared memory do not work, or not between hosts, on these.
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "ncpfs", "coda", "9p", "glusterfs"}
    | {"lustre", "beegfs", "gpfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs"}
    | {"fuse.gcsfuse", "fuse.rclone"}
)
#: How a user says where the ledger lies.
PLACES = "set SPANLEDGER_DATA_DIR, or SPANLEDGER_STORE=sqlite:PATH (memory: this process only)"
#: Blanks and backslashes in a mount point are written in octal.
_ESCAPED = re.compile(r"\\([0-7]{3})")
_MOUNTS = Path("/proc/self/mountinfo")

Identity = tuple[int, int]
"""Device and inode of a file."""


def prepare_directory(path: Path) -> None:
    """Make the directory of a ledger (0700), or refuse one that others may write to."""
    directory = path.parent
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        mode = directory.stat().st_mode
    except OSError as error:
        raise StoreUnavailable(
            str(path),
            f"its directory can't be made ({error.strerror})",
            f"Make it yourself, or choose another place: {PLACES}.",
        ) from error
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreUnavailable(
            str(path),
            f"others may write to its directory (mode {stat.S_IMODE(mode):04o})",
            "Give the ledger a directory of its own, with mode 0700.",
        )


def refuse_network(path: Path) -> None:
    """Raise `StoreUnavailable` on a network file system, where that can be seen (Linux)."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = mounted_type(mounts, str(path.parent.resolve()))
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreUnavailable(
            str(path),
            f"it lies on a network file system ({kind}), where SQLite's locks do not hold",
            "Put it on a local disk; to share budgets between hosts use the Redis store.",
        )


def mounted_type(mountinfo: str, directory: str) -> str:
    """The file system type of the mount that holds `directory`; empty if none does. Pure."""
    found, length = "", -1
    for line in mountinfo.splitlines():
        before, dash, after = line.partition(" - ")
        fields = before.split()
        if not dash or len(fields) < 5 or not after:
            continue
        point = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4])
        inside = directory == point or directory.startswith(point.rstrip("/") + "/")
        # The later of two mounts on one point hides the earlier.
        if inside and len(point) >= length:
            found, length = after.split()[0], len(point)
    return found


def identity(path: Path) -> Identity | None:
    """Which file lies at `path`; None if there is none. Raises `StoreUnavailable` for odd ones."""
    try:
        seen = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreUnavailable(
            str(path),
            f"its place can't be read ({error.strerror})",
            "Give this user access to the directory.",
        ) from error
    if not stat.S_ISREG(seen.st_mode):
        raise StoreUnavailable(
            str(path),
            "it is a symbolic link or no file at all",
            "Name the file itself: a link could be turned to another ledger.",
        )
    if seen.st_size == 0:
        raise StoreUnavailable(
            str(path),
            "the file is empty, though a ledger never is",
            "Restore it, or delete it to begin again with nothing spent.",
        )
    return seen.st_dev, seen.st_ino


def make_private(path: Path) -> None:
    """Take the rights of others from a ledger file."""
    mode = path.stat().st_mode
    if mode & 0o077:
        path.chmod(0o600)
