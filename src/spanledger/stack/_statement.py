"""Running one statement of the query port on the engine."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from spanledger.stack import _sql
from spanledger.stack._protocol import HELLO, Query, RequestError, hello_block, native_rows, streams
from spanledger.stack._sessions import Sessions
from spanledger.stack.engine import Connection, Engine

TIMEZONE: Final = "UTC"
_HEAD_BYTES: Final = 1 << 16
_STATEFUL: Final = frozenset({"SET", "USE"})
# The tables remember blocks for the sake of senders that send again. Whoever writes by hand means
# what he writes: of A, B and A again, or of a row that was deleted since, the engine would say
# that it is in and drop it. So only those get it who ask for it, by a setting or with a token.
_BY_HAND: Final = {"insert_deduplicate": "0"}
_ASKS: Final = "dedup"
_NONE: Final[Mapping[str, str]] = {}


@dataclass(slots=True)
class Answer:
    """What a statement gave: its output, or the first piece of it and a source of the rest."""

    format: str
    body: bytes = b""
    rest: Generator[bytes, None, None] | None = None
    summary: dict[str, str] = field(default_factory=dict)


class Statements:
    """Runs queries on one engine. Its methods block: call them from worker threads."""

    def __init__(self, engine: Engine, database: str) -> None:
        self._engine = engine
        self._database = database
        self._sessions = Sessions(engine.connect)

    def close(self) -> None:
        """End all sessions."""
        self._sessions.close()

    def execute(self, query: Query) -> Answer:
        """Run *query*.

        Raises:
            RequestError: if the statement is refused or can't be read.
            EngineError: if it fails.
        """
        head = query.sql or query.body[:_HEAD_BYTES]
        # Latin-1 keeps a byte a character: data that follows the statement may be binary, and
        # positions in the text are positions in the bytes.
        text = head.decode("latin-1")
        if query.speaks_hello and text.strip() == HELLO:
            return Answer("Native", hello_block(self._engine.version, TIMEZONE))
        if _sql.first_word(text[:_HEAD_BYTES]) == "INSERT":
            found = _sql.insert_head(text)
            # Parameters are only resolved when the engine reads the whole statement.
            if found and not (query.params and found.format == "Values"):
                return self._insert(query, found)
        return self._run(query)

    def _insert(self, query: Query, found: _sql.InsertHead) -> Answer:
        source = query.sql or query.body
        data = source[found.data_start :] + (query.body if query.sql else b"")
        head = _decode(found.statement.encode("latin-1"))
        defaults = _insert_defaults(query, head)
        with self._session(query, keeps_state=False, defaults=defaults) as connection:
            _check(connection, query, f"{head} FORMAT {found.format}")
            written = connection.insert(head, found.format, data)
        _check_rows(found.format, data, written)
        return Answer(found.format, summary={"written_rows": str(written)})

    def _run(self, query: Query) -> Answer:
        sql = _decode(query.text)
        word = _sql.first_word(sql)
        fmt = _sql.output_format(sql) or query.default_format
        if word in ("SELECT", "WITH") and query.may_stream and streams(fmt):
            rest = self._stream(query, sql, fmt)
            return Answer(fmt, next(rest, b""), rest)
        keeps_state = word in _STATEFUL or _sql.makes_temporary(sql)
        defaults = _insert_defaults(query, sql) if word == "INSERT" else _NONE
        with self._session(query, keeps_state=keeps_state, defaults=defaults) as connection:
            _check(connection, query, sql)
            result = connection.run(sql, fmt, query.params)
            return Answer(fmt, result.bytes(), summary=_summary(result))

    def _stream(self, query: Query, sql: str, fmt: str) -> Generator[bytes, None, None]:
        with self._session(query, keeps_state=False) as connection:
            _check(connection, query, sql)
            yield from connection.stream(sql, fmt, query.params)

    @contextmanager
    def _session(
        self, query: Query, *, keeps_state: bool, defaults: Mapping[str, str] = _NONE
    ) -> Iterator[Connection]:
        """A connection with the query's settings; *defaults* where no session has its own."""
        timeout_s = query.session_timeout_s
        with self._sessions.use(query.session_id, timeout_s, keeps_state=keeps_state) as (
            connection,
            kept,
        ):
            fallback = None if kept else self._database
            settings = query.settings if kept else {**defaults, **query.settings}
            with connection.configured(query.database or fallback, settings, restore=kept):
                yield connection


def _insert_defaults(query: Query, sql: str) -> Mapping[str, str]:
    """Settings of an INSERT that says nothing about deduplication."""
    asks = _ASKS in sql.lower() or any(_ASKS in name for name in query.settings)
    return _NONE if asks else _BY_HAND


def _check(connection: Connection, query: Query, sql: str) -> None:
    query_class, statements = connection.classify(sql)
    reason = _sql.refusal(sql, query_class, statements) or _bad_parameter(query, sql)
    if reason:
        raise RequestError(62 if statements > 1 else 497, "ACCESS_DENIED", reason)
    if query.read_only and query_class != "READ_ONLY" and _sql.first_word(sql) not in _STATEFUL:
        raise RequestError(
            164,
            "READONLY",
            "Cannot execute this statement in readonly mode (GET requests and requests with "
            "readonly=1 or 2 may only read): send it as POST.",
        )


def _bad_parameter(query: Query, sql: str) -> str | None:
    for name in query.settings:
        if _sql.forbidden_setting(name):
            return f"The setting {name} would let the engine use files and is not allowed."
    if "Identifier" in sql and any(map(_sql.forbidden_identifier, query.params.values())):
        return "An identifier parameter names what is not allowed on the local stack."
    return None


def _check_rows(fmt: str, data: bytes, written: int) -> None:
    announced = native_rows(data) if fmt == "Native" else None
    if announced is not None and written < announced:
        raise RequestError(
            1002,
            "UNKNOWN_EXCEPTION",
            f"Only {written} of at least {announced} rows were written: send the batch again.",
        )


def _decode(sql: bytes) -> str:
    try:
        return sql.decode()
    except UnicodeDecodeError as error:
        raise RequestError(
            62, "SYNTAX_ERROR", f"The statement is not UTF-8 (byte {error.start})."
        ) from error


def _summary(result: Any) -> dict[str, str]:
    return {
        "read_rows": str(result.storage_rows_read()),
        "read_bytes": str(result.storage_bytes_read()),
        "written_rows": str(result.rows_written()),
        "written_bytes": str(result.bytes_written()),
        "result_rows": str(result.rows_read()),
        "result_bytes": str(result.size()),
    }
