"""One ledger file and this process's connection to it. The caller holds the lock."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from errno import errorcode
from pathlib import Path
from random import random
from typing import TypeVar

from spanledger.guard.stores._monotonic import monotonic
from spanledger.guard.stores._sqlite_place import (
    PLACES,
    Identity,
    identity,
    make_private,
    prepare_directory,
    refuse_network,
)
from spanledger.guard.stores._sqlite_rows import LedgerConnection
from spanledger.guard.stores._sqlite_schema import (
    APPLICATION_ID,
    MIGRATIONS,
    TABLES,
    VERSION,
)
from spanledger.guard.stores.errors import StoreUnavailable

T = TypeVar("T")

_RIGHTS = f"Give this user the right to write the file and its directory; or {PLACES}."
_ROOM = "The disk is full: make room."
_ADVICE = {
    "SQLITE_BUSY": "Another process holds it: find a backup or a shell that keeps it open.",
    "SQLITE_FULL": _ROOM,
    "SQLITE_READONLY": _RIGHTS,
    "SQLITE_CANTOPEN": _RIGHTS,
    "EACCES": _RIGHTS,
    "EPERM": _RIGHTS,
    "EROFS": _RIGHTS,
    "ENOSPC": _ROOM,
    "SQLITE_CORRUPT": "Restore it from a backup, or move it away to begin with nothing spent.",
    "SQLITE_NOTADB": "Restore it from a backup, or move it away to begin with nothing spent.",
}
_OTHER = "Look at the file and its disk; until it can be used, calls under a limit are refused."
#: The first and the longest pause before a locked file is tried again.
_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05


class SqliteFile:
    """Runs steps in transactions of a ledger file, which is made if there is none.

    Once opened, only that very file will do: a ledger that was deleted, replaced or emptied
    under a running process is refused, for its sums are gone.
    """

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self.path = path
        #: A string: `stat` takes three times as long for a path.
        self._name = str(path)
        self._busy_timeout_s = busy_timeout_s
        self._connection: LedgerConnection | None = None
        self._identity: Identity | None = None
        #: Set: a locked file is not waited for any more.
        self.hurry = threading.Event()

    def write(self, step: Callable[[LedgerConnection], T]) -> T:
        """Run `step` in a transaction that is kept whole or not at all.

        Raises `StoreUnavailable`; what `step` raises goes through. Nothing changed then.
        """
        connection = self._connected()
        try:
            self._begin(connection)
            connection.look_around()
            result = step(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back(connection)
            raise self._unavailable(error) from error
        except OverflowError as error:
            self._roll_back(connection)
            raise StoreUnavailable(
                str(self.path),
                "an amount is too large for it (2^63 or more)",
                "Ask for less: nano-USD, tokens and calls have room for $9 billion.",
            ) from error
        except BaseException:
            self._roll_back(connection)
            raise
        return result

    def is_there(self) -> bool:
        """Whether there is a ledger, or was one. Raises `StoreUnavailable` for anything else."""
        if self._identity is not None or identity(self.path) is not None:
            return True
        # Its log alone: one is about to be told that the ledger is gone.
        return self._log_is_there()

    def read(self, step: Callable[[LedgerConnection], T]) -> T:
        """Run `step`, which makes one query. Raises `StoreUnavailable`."""
        try:
            return step(self._connected())
        except sqlite3.Error as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Close the connection; the next step opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def leak(self) -> None:
        """Forget an inherited connection without closing it: its locks are the parent's."""
        if self._connection is not None:
            _inherited.append(self._connection)
        self._connection = None
        self.hurry = threading.Event()

    # --- inside ---------------------------------------------------------------------------

    def _connected(self) -> LedgerConnection:
        if self._connection is not None:
            if self._unchanged():
                return self._connection
            # Not closed before this: that would write the log into a file that was emptied.
            self._found()
            self.close()
        return self._open()

    def _unchanged(self) -> bool:
        # One `stat` for each step (1 µs); everything else is looked at when this fails.
        try:
            seen = os.stat(self._name)
        except OSError:
            return False
        return (seen.st_dev, seen.st_ino) == self._identity and seen.st_size > 0

    def _open(self) -> LedgerConnection:
        if self._identity is None:
            prepare_directory(self.path)
            refuse_network(self.path)
            if identity(self.path) is None:
                self._create()
        found = self._found()
        try:
            make_private(self.path)
            self._connection = connection = self._connect()
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error
        self._identity = found
        return connection

    def _found(self) -> Identity:
        """The file that lies there, if it is the one that was always there."""
        found = identity(self.path)
        if found is None or (self._identity is not None and found != self._identity):
            raise StoreUnavailable(
                str(self.path),
                "the file was deleted or replaced while it was in use",
                "Put the file back; or restart the processes that use it, if it may begin again.",
            )
        return found

    def _connect(self) -> LedgerConnection:
        # Threads share it, under the store's lock. `isolation_level` None: no hidden, deferred
        # BEGIN, which fails at once where an IMMEDIATE one waits for its turn.
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            factory=LedgerConnection,
        )
        try:
            self._know(connection)
            # Survives a killed process; power loss may take the last commits.
            connection.execute("PRAGMA synchronous=NORMAL")
            # Pages in the log until they are moved into the file, which waits for the disk: 4 MB.
            connection.execute("PRAGMA wal_autocheckpoint=2000")
            # From here on `_begin` waits itself: in turn, and no longer than wanted.
            connection.execute("PRAGMA busy_timeout=0")
        except BaseException:
            connection.close()
            raise
        return connection

    def _know(self, connection: LedgerConnection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise StoreUnavailable(
                str(self.path),
                "the file is a database, and not a ledger of Spanledger",
                "Name another file.",
            )
        if version > VERSION:
            raise StoreUnavailable(
                str(self.path),
                f"it has format {version} and this Spanledger knows formats up to {VERSION}",
                "Update Spanledger here: a newer one has used the file.",
            )
        if version < VERSION:
            _migrate(connection)

    def _create(self) -> None:
        """Make a whole ledger beside the place, then link it there: nobody sees half of one."""
        if self._log_is_there() and not self.path.exists():
            raise StoreUnavailable(
                str(self.path),
                "the file is gone and its write-ahead log (-wal) is still there",
                "Restore the file; or delete -wal and -shm too, to begin with nothing spent.",
            )
        scratch = self.path.with_name(f".{self.path.name}.{os.urandom(8).hex()}")
        try:
            os.close(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                _write_tables(scratch)
                with suppress(FileExistsError):
                    os.link(scratch, self.path)
            finally:
                scratch.unlink()
        except (sqlite3.Error, OSError) as error:
            raise self._unavailable(error) from error

    def _log_is_there(self) -> bool:
        return self.path.with_name(f"{self.path.name}-wal").exists()

    def _begin(self, connection: LedgerConnection) -> None:
        """Take the write lock, waiting for other processes."""
        give_up_at, pause_s = 0.0, _PAUSE_S
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                now = monotonic()
                give_up_at = give_up_at or now + self._busy_timeout_s
                if now >= give_up_at or self.hurry.is_set():
                    raise
            # Random, so that processes which began together do not stay together.
            self.hurry.wait(min(pause_s * (0.5 + random()), give_up_at - now))  # noqa: S311 - no secret
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)

    def _roll_back(self, connection: LedgerConnection) -> None:
        connection.remembered.clear()
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()

    def _unavailable(self, error: sqlite3.Error | OSError) -> StoreUnavailable:
        name = getattr(error, "sqlite_errorname", "") or ""
        kind = "_".join(name.split("_")[:2]) or errorcode.get(getattr(error, "errno", 0), "")
        if kind != "SQLITE_BUSY":
            # A fresh connection may do what this one can't any more.
            self.close()
        problem = f"{error} ({name})" if name else str(error)
        return StoreUnavailable(str(self.path), problem, _ADVICE.get(kind, _OTHER))


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date. Several processes may try: the first does it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for number in range(version + 1, VERSION + 1):
            for statement in MIGRATIONS[number].split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


#: Connections of a parent process, kept so that nothing closes them in the child.
_inherited: list[LedgerConnection] = []


def _write_tables(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # Each commit writes whole pages: small ones are written faster.
        connection.execute("PRAGMA page_size=2048")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(
            f"BEGIN IMMEDIATE; {TABLES} PRAGMA application_id={APPLICATION_ID}; "
            f"PRAGMA user_version={VERSION}; COMMIT;"
        )
    finally:
        # The last to close writes the log back into the file.
        connection.close()
