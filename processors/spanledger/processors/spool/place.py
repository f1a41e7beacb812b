"""Where the spool lies, and what is in it: a look from outside."""

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from spanledger.lean import dataclass
from spanledger.processors.spool.folder import LOCK_NAME
from spanledger.processors.spool.layout import (
    ENTRY_HEAD_BYTES,
    HEAD_BYTES,
    read_entry_head,
    unpack_head,
)
from spanledger.processors.spool.segment import SUFFIX


@dataclass(frozen=True, slots=True)
class SpoolState:
    """What waits in a spool, of all processes together."""

    items: int = 0
    bytes: int = 0
    """How much of the disk it takes."""
    segments: int = 0
    live: int = 0
    """Folders of processes that run."""
    orphans: int = 0
    """Folders of processes that ended and left something."""
    oldest_s: float | None = None
    """When the oldest segment was written to last, in seconds since the epoch."""


def destination_name(endpoint: str, headers: Mapping[str, str]) -> str:
    """The folder for what goes to one place.

    Nobody sends what another process meant for another collector, or for another tenant of the
    same one: where it goes is in the name, and what can be a secret of it only as a digest.
    """
    import hashlib

    parts = [endpoint, *(f"{name.lower()}\0{headers[name]}" for name in sorted(headers))]
    return hashlib.blake2b("\0\0".join(parts).encode(), digest_size=8).hexdigest()


def prepare(root: Path, destination: str) -> Path:
    """Make the folders (0700). Raises `OSError` if they can't be made or are not private."""
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in (root, root / destination):
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise PermissionError(f"{path} belongs to another user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700)
    return root / destination


def folders(root: Path) -> Iterator[Path]:
    """The folders of all processes, for all destinations."""
    for destination in _directories(root):
        yield from _directories(destination)


def destination_folders(root: Path, destination: str) -> list[Path]:
    """The folders of all processes for one destination."""
    return _directories(root / destination)


def segment_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The segments in a folder, oldest first."""
    with suppress(OSError):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            with suppress(OSError):
                yield path, path.stat()


def bytes_in(root: Path, *, but: frozenset[Path] = frozenset()) -> int:
    """How much of the disk the segments below `root` take, without those of some folders."""
    return sum(
        found.st_size
        for folder in folders(root)
        if folder not in but
        for _path, found in segment_files(folder)
    )


def spool_state(directory: Path) -> SpoolState:
    """What waits in the spool at `directory`. Reads only; a spool that isn't there is empty."""
    items = size = segments = live = orphans = 0
    oldest: float | None = None
    for folder in folders(directory):
        files = list(segment_files(folder))
        alive = _is_alive(folder)
        live += alive
        orphans += bool(files) and not alive
        for path, found in files:
            segments, size = segments + 1, size + found.st_size
            waiting = items_in(path)
            items += waiting
            if waiting:
                oldest = min(oldest or found.st_mtime, found.st_mtime)
    return SpoolState(items, size, segments, live, orphans, oldest)


def _directories(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as found:
            return [Path(one.path) for one in found if one.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _is_alive(folder: Path) -> bool:
    try:
        fd = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def items_in(path: Path) -> int:
    """Counted by the heads of the entries; their bodies are not read."""
    items = 0
    with suppress(OSError), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        at = unpack_head(file.read(HEAD_BYTES)) or size
        while at < size:
            file.seek(at)
            head = read_entry_head(file.read(ENTRY_HEAD_BYTES), 0)
            if head is None or at + ENTRY_HEAD_BYTES + head[0] > size:
                break
            items, at = items + head[2], at + ENTRY_HEAD_BYTES + head[0]
    return items
