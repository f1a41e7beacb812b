"""The data directory: where each file is, who may read it, and the lock."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from spanledger.stack.errors import AlreadyRunning, DataDirNotWritable

_LOCK_PATIENCE_S: Final = 1.0
MAX_LOG_BYTES: Final = 8 << 20


class DataDir:
    """Paths inside one data directory."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.lock = self.path / "daemon.lock"
        self.record = self.path / "stack.json"
        self.token = self.path / "token"
        self.log = self.path / "daemon.log"
        self.engine_version = self.path / "engine.version"
        self.engine = self.path / "engine"
        self.engine_config = self.path / "engine.xml"
        self.engine_users = self.path / "engine-users.xml"
        self.server_config = self.path / "server.xml"
        self.server_users = self.path / "server-users.xml"
        self.journal = self.path / "journal"
        self.backups = self.path / "backups"

    def create(self) -> None:
        """Make the directory, for its owner alone. One that exists keeps its mode (it may be
        anybody's home); the engine's own directory in it is closed in any case.

        Raises:
            DataDirNotWritable: if it can't be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.engine.mkdir(exist_ok=True, mode=0o700)
            self.backups.mkdir(exist_ok=True, mode=0o700)
            with TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise DataDirNotWritable(
                f"The data directory {self.path} can't be written ({error.strerror}): choose "
                "another with SPANLEDGER_DATA_DIR or --data-dir."
            ) from error

    def read_token(self) -> str | None:
        """The token of the query port, or None if there is none yet."""
        try:
            return self.token.read_text().strip() or None
        except OSError:
            return None

    def ensure_token(self) -> str:
        """The token, made once. A read-write secret: its file is the owner's alone."""
        token = self.read_token()
        if token is None:
            token = secrets.token_urlsafe(32)
            write_private(self.token, token + "\n")
        self.token.chmod(0o600)
        return token


def write_private(path: Path, text: str) -> None:
    """Replace *path* by *text* in one step; only the owner can read it at any moment."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def shorten(log: Path, limit_bytes: int = MAX_LOG_BYTES) -> None:
    """Keep the second half of a *log* that has grown beyond its limit. It is open for appending
    elsewhere, so it is emptied in place; a line written meanwhile may be lost."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > limit_bytes:
            kept = log.read_bytes()[-limit_bytes // 2 :]
            with log.open("r+b") as file:
                file.truncate(0)
                file.write(kept[kept.find(b"\n") + 1 :])


def is_locked(lock: Path) -> bool:
    """True while a daemon lives. The kernel frees the lock with its process, however that
    ends, so there is nothing stale to clean up; a pid file could name a stranger."""
    try:
        file = lock.open("rb")
    except OSError:
        return False
    import fcntl  # not on Windows, where the caller must still get its clear error

    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def lock_owner(lock: Path) -> int | None:
    """The process that holds *lock*, or None if nobody does or it has not signed yet."""
    if not is_locked(lock):
        return None
    with contextlib.suppress(OSError, ValueError):
        return int(lock.read_text())
    return None


@contextlib.contextmanager
def hold_lock(lock: Path) -> Iterator[None]:
    """Own *lock* and sign it with our pid.

    Raises:
        AlreadyRunning: if another daemon owns it.
    """
    with open(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        _acquire(file.fileno(), lock)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _acquire(fd: int, lock: Path) -> None:
    import fcntl

    # `is_locked` holds a shared lock for an instant: a few tries tell it from a daemon.
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
            raise AlreadyRunning(_already_running(lock)) from None
        return


def _already_running(lock: Path) -> str:
    owner = lock.read_text().strip() or "unknown"
    return (
        f"A stack (process {owner}) already runs on the data directory {lock.parent}: use it, "
        "stop it with `spanledger down`, or choose another directory."
    )
