"""One batch into the engine: table by table, and around the records that the engine refuses."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from spanledger.stack._columns import encode_block
from spanledger.stack._flatten import Flattened
from spanledger.stack._info import DATABASE
from spanledger.stack._journal import Entry
from spanledger.stack._otlp import Signal, decode_entry, narrow, record_count
from spanledger.stack.engine import EngineError, Session, quote_identifier, quote_string
from spanledger.warehouse import insert_settings

# What the engine says when a value is at fault. Everything else (memory, disk, a missing table)
# passes, or is mended, and the same batch is tried again.
_VALUE_CODES: Final = frozenset(
    {
        6, 9, 25, 26, 27, 32, 33, 38, 41, 43, 44, 53, 69, 70, 72, 117, 128, 131, 153, 190, 321,
        349, 395, 407, 441, 469, 633,
    }
)  # fmt: skip


class RowsLost(EngineError):
    """The engine reports fewer rows than it was given."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one request for one table, in Native, ready to be sent."""

    table: str
    head: str
    rows: int
    block: bytes


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request ready for the engine."""

    entry: Entry
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def size_bytes(self) -> int:
        """What it holds in memory."""
        return len(self.entry.body) + sum(len(part.block) for part in self.parts)


def encode_parts(flattened: Flattened) -> tuple[Part, ...]:
    """The tables of a request that have rows."""
    return tuple(
        Part(
            table.name,
            f"INSERT INTO {DATABASE}.{table.name} "
            f"({', '.join(map(quote_identifier, table.columns))})",
            table.rows,
            encode_block(table.columns, table.rows),
        )
        for table in flattened.tables
        if table.rows
    )


def store(
    session: Session, signal: Signal, requests: Sequence[Encoded], token: str
) -> dict[bytes, Counter[str]]:
    """Put all rows of *requests* in; return, by digest of the request, the reasons for which
    records were left out.

    Raises:
        EngineError: if the engine can't at the moment. Trying again with the same arguments is
            safe.
    """
    refused: dict[bytes, Counter[str]] = {}
    for name in dict.fromkeys(part.table for request in requests for part in request.parts):
        concerned = [request for request in requests if _part(request, name)]
        for digest, reasons in _store_table(session, signal, name, concerned, token).items():
            refused.setdefault(digest, Counter()).update(reasons)
    return refused


def _store_table(
    session: Session, signal: Signal, name: str, requests: Sequence[Encoded], token: str
) -> dict[bytes, Counter[str]]:
    try:
        _insert(session, [part for one in requests if (part := _part(one, name))], token)
    except EngineError as error:
        if error.code not in _VALUE_CODES:
            raise
        return {one.entry.digest: _store_alone(session, signal, name, one) for one in requests}
    return {}


def _store_alone(session: Session, signal: Signal, name: str, request: Encoded) -> Counter[str]:
    count = record_count(signal, decode_entry(signal, request.entry))
    return _bisect(session, signal, name, request.entry, 0, count)


def _bisect(
    session: Session, signal: Signal, name: str, entry: Entry, first: int, last: int
) -> Counter[str]:
    """Store records *first* to *last*; halve them around what the engine refuses."""
    message = narrow(signal, decode_entry(signal, entry), first, last)
    parts = [part for part in encode_parts(signal.flatten(message)) if part.table == name]
    try:
        _insert(session, parts, f"{entry.digest.hex()}:{first}-{last}")
    except EngineError as error:
        if error.code not in _VALUE_CODES:
            raise
        if last - first <= 1:
            return Counter({f"refused by the engine (error {error.code})": last - first})
        middle = (first + last) // 2
        return _bisect(session, signal, name, entry, first, middle) + _bisect(
            session, signal, name, entry, middle, last
        )
    return Counter()


def _part(request: Encoded, table: str) -> Part | None:
    return next((part for part in request.parts if part.table == table), None)


def _insert(session: Session, parts: Sequence[Part], token: str) -> None:
    rows = sum(part.rows for part in parts)
    if not rows:
        return
    # Blocks that follow one another are one insert: the engine makes one part of them.
    block = b"".join(part.block for part in parts)
    written = session.insert(f"{parts[0].head} SETTINGS {_settings(token)}", "Native", block)
    # Rows of materialised views count too, so more is possible; a retry that was recognised
    # reports its rows as well.
    if written < rows:
        raise RowsLost(f"only {written} of {rows} rows were written to {parts[0].table}")


def _settings(token: str) -> str:
    return ", ".join(
        f"{name} = {value if isinstance(value, int) else quote_string(str(value))}"
        for name, value in insert_settings(token).items()
    )
