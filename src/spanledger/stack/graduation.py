"""From the local stack to a ClickHouse server: copy all that it holds, resumable, verified.

Each partition (a day of a table) is copied into a staging table, counted, and moved into its
table in one step. Staging tables have no materialised views, so nothing is counted twice. What
is done is noted in the destination: a copy that was interrupted goes on where it was.
"""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from spanledger.config import default_data_dir
from spanledger.stack._holdings import Table, cost_per_day, count_rows, tables
from spanledger.stack._lifecycle import status
from spanledger.stack.backups import Progress, paused
from spanledger.stack.errors import GraduationFailed, StackError, TargetNotEmpty
from spanledger.warehouse import (
    Address,
    Warehouse,
    connect,
    insert_settings,
    migrate,
    parse_url,
    quote_name,
    require_migrated,
)

_LOG: Final = "graduations"
_SUFFIX: Final = "__graduating"
_PIECE_BYTES: Final = 1 << 20
_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Graduated:
    """What is at the destination now."""

    rows: dict[str, int]
    calls: int
    cost_nano_usd: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """One partition of one table."""

    table: Table
    partition: str
    rows: int


def graduate(
    url: str, data_dir: Path | None = None, *, progress: Progress = lambda _: None
) -> Graduated:
    """Copy everything in the running stack of *data_dir* to the ClickHouse server at *url*, whose
    database must be empty or hold an unfinished copy of the same stack. Meanwhile the stack takes
    no requests; senders keep them. It stays as it is.

    Raises:
        TargetNotEmpty: if the destination has rows of another origin.
        GraduationFailed: if what arrived is not what was sent.
        StackError, WarehouseError: if either side fails. Run it again to go on.
    """
    folder = data_dir or default_data_dir()
    info = status(folder)
    if info is None:
        raise StackError(f"No local stack runs on {folder}: start it with `spanledger up`.")
    with paused(info), connect(info.clickhouse_url) as source, connect(url) as target:
        require_migrated(source)
        migrate(target)
        copy = _Copy(source, parse_url(info.clickhouse_url), target, parse_url(url), progress)
        return copy.run()


class _Copy:
    """One run from one database to another."""

    def __init__(
        self,
        source: Warehouse,
        source_at: Address,
        target: Warehouse,
        target_at: Address,
        progress: Callable[[str], None],
    ) -> None:
        self._source, self._source_at = source, source_at
        self._target, self._target_at = target, target_at
        self._progress = progress
        self._origin = str(
            source.query("SELECT toString(uuid) AS u FROM system.databases "
                         "WHERE name = currentDatabase()")[0]["u"]
        )  # fmt: skip

    def run(self) -> Graduated:
        self._begin()
        noted = self._noted()
        found = [piece for table in tables(self._source) for piece in self._pieces(table)]
        for number, piece in enumerate(found, start=1):
            self._progress(
                f"{number} of {len(found)}: {piece.table.name} {piece.partition}, "
                f"{piece.rows:,} rows"
            )
            self._bring(piece, noted.get((piece.table.name, piece.partition)))
        for table in tables(self._source):
            self._target.command(f"DROP TABLE IF EXISTS {_staging(table)}")
        self._progress("comparing counts and cost by day")
        return self._compare()

    def _begin(self) -> None:
        """Note where the rows come from; refuse a destination with rows of others."""
        self._target.command(
            f"CREATE TABLE IF NOT EXISTS {_LOG} (origin String, table String, partition String, "
            "rows UInt64, state Enum8('begun' = 0, 'copied' = 1, 'moved' = 2), "
            "at DateTime64(3) DEFAULT now64(3)) "
            "ENGINE = MergeTree ORDER BY (origin, table, partition, state)"
        )
        origins = {row["origin"] for row in self._target.query(f"SELECT origin FROM {_LOG}")}  # noqa: S608 - ours
        held = sum(rows for name, rows in count_rows(self._target).items() if name != _LOG)
        if origins - {self._origin} or (held and not origins):
            raise TargetNotEmpty(
                f"The database at {self._target.address} holds rows of another origin: name one "
                "that is empty or does not exist, and join them there with INSERT … SELECT."
            )
        if not origins:
            self._note("", "", 0, "begun")

    def _noted(self) -> dict[tuple[str, str], tuple[str, int]]:
        rows = self._target.query(
            f"SELECT table, partition, max(state) AS s, argMax(rows, state) AS n FROM {_LOG} "  # noqa: S608 - ours
            "WHERE origin = {origin:String} GROUP BY table, partition",
            origin=self._origin,
        )
        return {(row["table"], row["partition"]): (str(row["s"]), row["n"]) for row in rows}

    def _pieces(self, table: Table) -> Iterator[_Piece]:
        rows = self._source.query(
            f"SELECT _partition_id AS p, count() AS n FROM {quote_name(table.name)} "  # noqa: S608 - quoted
            f"{table.final} GROUP BY p ORDER BY p"
        )
        for row in rows:
            yield _Piece(table, row["p"], row["n"])

    def _bring(self, piece: _Piece, noted: tuple[str, int] | None) -> None:
        state, rows = noted or ("", piece.rows)
        if rows != piece.rows and piece.table.derived:
            state = ""  # built anew since: copied anew, and the newer rows replace the older
        elif rows != piece.rows:
            raise GraduationFailed(
                f"{piece.table.name} {piece.partition} had {rows} rows when it was copied and has "
                f"{piece.rows} now: drop the database at {self._target.address} and start anew."
            )
        if state == "moved":
            return
        self._stage(piece)
        # "copied" and nothing staged: it was moved, and the note of that was lost.
        if state != "copied" or self._staged(piece):
            self._fill(piece)
            self._move(piece)
        self._note(piece.table.name, piece.partition, piece.rows, "moved")

    def _stage(self, piece: _Piece) -> None:
        name = quote_name(piece.table.name)
        self._target.command(f"CREATE TABLE IF NOT EXISTS {_staging(piece.table)} AS {name}")

    def _fill(self, piece: _Piece) -> None:
        if self._staged(piece) != piece.rows:
            self._target.command(
                f"ALTER TABLE {_staging(piece.table)} DROP PARTITION ID '{piece.partition}'"
            )
            self._stream(piece)
        staged = self._staged(piece)
        if staged < piece.rows or (staged > piece.rows and not piece.table.derived):
            raise GraduationFailed(
                f"Of {piece.rows} rows of {piece.table.name} {piece.partition}, {staged} arrived: "
                "run it again."
            )
        self._note(piece.table.name, piece.partition, piece.rows, "copied")

    def _staged(self, piece: _Piece) -> int:
        rows = self._target.query(
            f"SELECT count() AS n FROM {_staging(piece.table)} {piece.table.final} "  # noqa: S608 - quoted
            "WHERE _partition_id = {partition:String}",
            partition=piece.partition,
        )
        return int(rows[0]["n"])

    def _move(self, piece: _Piece) -> None:
        self._target.command(
            f"ALTER TABLE {_staging(piece.table)} MOVE PARTITION ID '{piece.partition}' "
            f"TO TABLE {quote_name(piece.table.name)}"
        )

    def _stream(self, piece: _Piece) -> None:
        columns = ", ".join(map(quote_name, self._columns(piece.table)))
        select = (
            f"SELECT {columns} FROM {quote_name(piece.table.name)} "  # noqa: S608 - quoted
            f"WHERE _partition_id = '{piece.partition}' FORMAT Native"
        )
        settings = {**insert_settings(), "insert_deduplicate": 0}
        insert = f"INSERT INTO {_staging(piece.table)} ({columns}) FORMAT Native"
        with _request(self._source_at, select, {}) as answer:
            pieces = iter(lambda: answer.read(_PIECE_BYTES), b"")
            with _request(self._target_at, insert, settings, pieces) as stored:
                stored.read()

    def _columns(self, table: Table) -> list[str]:
        rows = self._source.query(
            "SELECT name FROM system.columns WHERE database = {database:String} AND "
            "table = {table:String} AND default_kind NOT IN ('ALIAS', 'MATERIALIZED') "
            "ORDER BY position",
            database=self._source.database,
            table=table.name,
        )
        return [row["name"] for row in rows]

    def _note(self, table: str, partition: str, rows: int, state: str) -> None:
        self._target.command(
            f"INSERT INTO {_LOG} (origin, table, partition, rows, state) VALUES "  # noqa: S608 - ours
            "({origin:String}, {table:String}, {partition:String}, {rows:UInt64}, {state:String})",
            origin=self._origin,
            table=table,
            partition=partition,
            rows=rows,
            state=state,
        )

    def _compare(self) -> Graduated:
        sent, arrived = count_rows(self._source), count_rows(self._target)
        wrong = [name for name, rows in sent.items() if arrived.get(name) != rows]
        if wrong:
            counts = ", ".join(f"{name} {sent[name]} ≠ {arrived.get(name)}" for name in wrong)
            raise GraduationFailed(f"Not all arrived ({counts}): run it again.")
        costs = cost_per_day(self._source)
        if costs != cost_per_day(self._target):
            raise GraduationFailed("The cost by day differs at the destination: run it again.")
        return Graduated(
            sent, sum(calls for calls, _ in costs.values()), sum(cost for _, cost in costs.values())
        )


def _staging(table: Table) -> str:
    return quote_name(table.name + _SUFFIX)


@contextmanager
def _request(
    at: Address, statement: str, settings: dict[str, str | int], body: Iterator[bytes] | None = None
) -> Iterator[http.client.HTTPResponse]:
    """One statement over ClickHouse's HTTP, its data streamed."""
    kind = http.client.HTTPSConnection if at.secure else http.client.HTTPConnection
    connection = kind(at.host, at.port, timeout=_TIMEOUT_S)
    asked = {"database": at.database, "query": statement, "wait_end_of_query": 0, **settings}
    target = "/?" + "&".join(f"{name}={quote(str(value))}" for name, value in asked.items())
    headers = {"X-ClickHouse-User": at.user, "X-ClickHouse-Key": at.password}
    try:
        if body is None:
            connection.request("POST", target, b"", headers)
        else:
            chunked = {**headers, "Transfer-Encoding": "chunked"}
            connection.request("POST", target, body, chunked, encode_chunked=True)
        response = connection.getresponse()
        if response.status != 200:
            raise GraduationFailed(f"{at} refused a statement: {_reason(response.read())}")
        yield response
    except (OSError, http.client.HTTPException) as error:
        raise GraduationFailed(f"The connection to {at} broke ({error}): run it again.") from error
    finally:
        connection.close()


def _reason(answer: bytes) -> str:
    return json.dumps(answer.decode(errors="replace").strip()[:300])
