"""The embedded ClickHouse: opened once per process, connections as cheap as queries."""

import logging
import os
import re
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import ModuleType
from typing import Any, Final, Protocol, Self

from spanledger.stack._engine_config import is_newer, server_xml, users_xml
from spanledger.stack._files import DataDir, write_private
from spanledger.stack._info import DATABASE
from spanledger.stack._recovery import forget_uncommitted
from spanledger.stack._sql import reading_from
from spanledger.stack.errors import EngineFailed, EngineMissing, NewerData, PlatformUnsupported

DEFAULT_MEMORY_BYTES: Final = 1 << 30
_log = logging.getLogger("spanledger.stack")
_CODE: Final = re.compile(r"Code:\s*(\d+)\.")


class EngineError(Exception):
    """A statement failed in the engine. ``code`` is ClickHouse's error number."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        found = _CODE.search(message)
        self.code = int(found.group(1)) if found else 1002


class Session(Protocol):
    """What writing and looking need of a connection, to whatever engine."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def insert(self, head: str, fmt: str, data: bytes) -> int: ...
    def text(self, sql: str) -> str: ...


class EngineLike(Protocol):
    """An engine that gives connections: the embedded one, or a server."""

    @property
    def version(self) -> str: ...
    @property
    def forgotten(self) -> int: ...
    def connect(self) -> Session: ...


def check_available() -> None:
    """See that the engine can run here, without importing it.

    Raises:
        PlatformUnsupported: if no engine exists for this platform.
        EngineMissing: if it is not installed.
    """
    if sys.platform not in ("linux", "darwin"):
        raise PlatformUnsupported(
            f"The embedded ClickHouse does not exist for {sys.platform}: run a ClickHouse "
            "server and name it in SPANLEDGER_CLICKHOUSE_URL."
        )
    if find_spec("chdb") is None:
        raise EngineMissing(
            "The embedded ClickHouse is not installed: run `pip install 'spanledger[local]'`, "
            "or name a ClickHouse server in SPANLEDGER_CLICKHOUSE_URL."
        )


class Engine:
    """One data directory's engine. Not to be opened twice in a process or across processes."""

    def __init__(self, data: DataDir, *, max_memory_bytes: int = DEFAULT_MEMORY_BYTES) -> None:
        """Open the engine of *data*. Changes the working directory: the engine's connection
        string has no way to quote a path, so every path in it is relative.

        Raises:
            NewerData: if a newer engine wrote the directory.
            EngineFailed: if the engine can't open it.
        """
        native, self.version = _load_native()
        refuse_newer(data, self.version)
        write_private(data.engine_users, users_xml())
        settings = server_xml(data.engine_users.name, data.backups, max_memory_bytes)
        write_private(data.engine_config, settings)
        self.forgotten = forget_uncommitted(data.engine)
        if self.forgotten:
            _log.warning("forgot %s inserts that a crash left without rows", self.forgotten)
        os.chdir(data.path)
        self._connect = native.connect
        self._address = f"./{data.engine.name}?config-file=./{data.engine_config.name}"
        self._keeper = self._open_first(data.path)
        write_private(data.engine_version, self.version + "\n")

    def _open_first(self, path: Path) -> "Connection":
        # One connection stays open: the engine shuts down with its last one.
        try:
            keeper = self.connect()
            keeper.run(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic", "Null")
        except (RuntimeError, EngineError) as error:
            raise EngineFailed(
                f"The embedded ClickHouse could not open {path}: {error}. If another process "
                "has these files open, end it; else restore the directory or choose another."
            ) from error
        return keeper

    def connect(self) -> "Connection":
        """A fresh connection (0.2 ms): own session, no state or output left by anyone else."""
        return Connection(self._connect(self._address))

    def interrupt(self) -> None:
        """Ask every running statement to end."""
        self._keeper.run("KILL QUERY WHERE 1 ASYNC", "Null")

    def close(self) -> None:
        """Close the engine. Every other connection must be closed before."""
        self._keeper.close()


class Connection:
    """One session of the engine. For one thread at a time."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the session back."""
        self._raw.close()

    @contextmanager
    def configured(
        self, database: str | None, settings: Mapping[str, str], *, restore: bool
    ) -> Iterator[None]:
        """Run a block in *database* with *settings*. With *restore* the connection is used
        again: the settings go back to their defaults, and output that a failed statement
        left in the engine's buffer is thrown away instead of opening the next answer."""
        if database:
            self.run(f"USE {quote_identifier(database)}", "Null")
        try:
            if settings:
                pairs = (f"{name} = {quote_string(value)}" for name, value in settings.items())
                self.run(f"SET {', '.join(pairs)}", "Null")
            yield
        finally:
            if restore:
                self.run("SELECT 1", "Null")
                for name in settings:
                    self._reset(name)

    def _reset(self, setting: str) -> None:
        try:
            self.run(f"SET {setting} = DEFAULT", "Null")
        except EngineError:
            return  # it was never set: the engine does not know it

    def classify(self, sql: str) -> tuple[str, int]:
        """The engine's own reading of *sql*: its class of effect and how many statements."""
        found = self._call(self._raw.classify_query, sql)
        return found["query_class"].name, found["statement_count"]

    def run(self, sql: str, fmt: str, params: Mapping[str, str] | None = None) -> Any:
        """Run *sql* to its end; the result has ``bytes()`` and counters."""
        return self._call(self._raw.query, sql, fmt, params=dict(params or {}))

    def text(self, sql: str) -> str:
        """The answer to *sql*, tab-separated."""
        return str(self.run(sql, "TabSeparatedRaw").bytes().decode()).rstrip("\n")

    def stream(self, sql: str, fmt: str, params: Mapping[str, str]) -> Generator[bytes, None, None]:
        """Run a SELECT and yield its output piece by piece; closing the iterator cancels it."""
        handle = self._call(self._raw.send_query, sql, fmt, params=dict(params))
        finished = False
        try:
            while (piece := self._fetch(handle)) is not None:
                yield piece
            finished = True
        finally:
            if not finished:
                self._raw.streaming_cancel_query(handle)

    def _fetch(self, handle: Any) -> bytes | None:
        result = self._call(self._raw.streaming_fetch_result, handle)
        if result is None:
            return None
        if result.has_error():
            raise EngineError(result.error_message())
        return result.bytes() or None

    def insert(self, head: str, fmt: str, data: bytes) -> int:
        """Run ``INSERT`` *head* (without FORMAT) on *data*; return the rows written, those of
        materialised views included."""
        # From a file, because the engine's own interface for attached data keeps quiet about
        # what goes wrong at the end (a constraint, a view, a full disk): rows would be
        # acknowledged and lost.
        with _as_file(data) as path:
            statement = f"{reading_from(head, path)} FORMAT {fmt}"
            return int(self.run(statement, "Null").rows_written())

    def _call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except RuntimeError as error:
            raise EngineError(str(error)) from error


@contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path at which this process can read *data*; in memory where that is possible."""
    if sys.platform == "linux":
        fd = os.memfd_create("insert")
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(data)
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
    else:
        with NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            yield file.name


def quote_string(text: str) -> str:
    """*text* as a ClickHouse string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_identifier(text: str) -> str:
    """*text* as a ClickHouse identifier."""
    return "`" + text.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _load_native() -> tuple[ModuleType, str]:
    native = import_module("chdb._chdb")
    # The daemon's own handlers must stay: SIGTERM is its graceful stop.
    native.set_signal_handlers_enabled(False)
    return native, str(import_module("chdb").engine_version)


def refuse_newer(data: DataDir, running: str) -> None:
    """See that *running* is no older engine than the one that wrote *data*.

    Raises:
        NewerData: if it is.
    """
    try:
        stored = data.engine_version.read_text().strip()
    except OSError:
        return
    if stored and is_newer(stored, running):
        raise NewerData(
            f"The data directory {data.path} was written by ClickHouse {stored}, and this "
            f"environment has {running}, which would see it empty: upgrade with "
            "`pip install -U 'spanledger[local]'` or choose another directory."
        )
