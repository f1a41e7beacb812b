"""The SQLite file of the medium tier, and this process's connection to it."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from spanledger.context.memory._rules import strength
from spanledger.context.memory.errors import MemoryUnavailable

_VERSION: Final = 1
_BUSY_S: Final = 5.0
_SCHEMA: Final = """
CREATE TABLE memories (
    user TEXT NOT NULL, id TEXT NOT NULL, content TEXT NOT NULL, importance REAL NOT NULL,
    tags TEXT NOT NULL, created_s REAL NOT NULL, used_s REAL NOT NULL, uses INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (user, id)
);
CREATE INDEX memories_used ON memories (user, used_s);
CREATE TABLE words (
    user TEXT NOT NULL, word TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (user, word, id),
    FOREIGN KEY (user, id) REFERENCES memories (user, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX words_of ON words (user, id);
CREATE TABLE tags (
    user TEXT NOT NULL, tag TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (user, tag, id),
    FOREIGN KEY (user, id) REFERENCES memories (user, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX tags_of ON tags (user, id);
"""


class MemoryFile:
    """Opened when it is first used. Threads share one connection; a fork gets its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is kept whole or not at all.

        Raises:
            MemoryUnavailable: the file can't be opened, read or written.
        """
        with self._lock:
            try:
                connection = self._opened()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    connection.rollback()
                    raise
            except (sqlite3.Error, OSError) as error:
                raise MemoryUnavailable(
                    f"the memory in {self.path} can't be used ({error}); give this user the right "
                    "to write it, make room on its disk, or name another file (path=…)"
                ) from error

    def wipe_log(self) -> None:
        """Empty the write-ahead log, in which deleted texts would still be legible."""
        with self._lock:
            if self._connection is not None:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and self._pid == os.getpid():
                connection.close()

    def _opened(self) -> sqlite3.Connection:
        if self._pid != os.getpid():
            # Not closed: its locks are the parent's.
            _inherited.append(self._connection)
            self._connection, self._pid = None, os.getpid()
        if self._connection is None:
            self._connection = _open(self.path)
        return self._connection


_inherited: list[sqlite3.Connection | None] = []


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Made here, so that it is never anybody else's to read, not even for a moment.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # What is committed survives the end of the process; the last moments before a loss of power
    # may be missing, the file stays whole.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.create_function("strength", 3, _medium_strength, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise sqlite3.DatabaseError(f"it was written by a newer Spanledger (version {version})")
    if version == 0:
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _medium_strength(importance: float, idle_s: float, uses: int) -> float:
    return strength(importance, idle_s, uses, "medium")
