"""Telemetry into tables: what both OTLP transports do with a request body."""

import hashlib
import threading
from collections import Counter
from typing import Final

from spanledger.stack._columns import encode_block
from spanledger.stack._flatten import Flattened, Table
from spanledger.stack._info import DATABASE
from spanledger.stack._otlp import Signal, decode_json, decode_protobuf, encode_response
from spanledger.stack.engine import Connection, Engine, EngineError, quote_identifier, quote_string
from spanledger.warehouse import insert_settings

MAX_INSERTING: Final = 4


class RowsLost(EngineError):
    """The engine reports fewer rows than it was given."""


class Receiver:
    """Stores OTLP requests. Thread-safe; its methods block."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._turns = threading.BoundedSemaphore(MAX_INSERTING)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """What came in so far: requests and rows stored, records rejected, requests that were
        malformed or failed."""
        with self._lock:
            return dict(self._counts)

    def export(self, signal: Signal, body: bytes, *, as_json: bool = False) -> bytes:
        """Store the request in *body* and return the answer's bytes; every storable record is
        in its table when this returns.

        Raises:
            MalformedRequest: if *body* is not such a request. Sending it again won't help.
            EngineError: if the engine failed. Sending the same bytes again is safe.
        """
        with self._counting(signal), self._turns:
            request = (decode_json if as_json else decode_protobuf)(signal, body)
            flattened = signal.flatten(request)
            self._store(flattened, token=hashlib.sha256(body).hexdigest())
        self._add(signal, flattened)
        return encode_response(signal, flattened, as_json=as_json)

    def _store(self, flattened: Flattened, token: str) -> None:
        tables = [table for table in flattened.tables if table.rows]
        if tables:
            with self._engine.connect() as connection:
                for table in tables:
                    _insert(connection, table, token)

    def _counting(self, signal: Signal) -> "_Counting":
        return _Counting(self, signal)

    def count(self, name: str, amount: int = 1) -> None:
        """Add *amount* to a counter."""
        with self._lock:
            self._counts[name] += amount

    def _add(self, signal: Signal, flattened: Flattened) -> None:
        self.count(f"{signal.name}.rows", sum(table.rows for table in flattened.tables))
        if flattened.rejected:
            self.count(f"{signal.name}.rejected", flattened.rejected)


class _Counting:
    """Counts a request and, if it fails, that it did."""

    def __init__(self, receiver: Receiver, signal: Signal) -> None:
        self._receiver = receiver
        self._signal = signal

    def __enter__(self) -> None:
        self._receiver.count(f"{self._signal.name}.requests")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            outcome = "failed" if issubclass(kind, EngineError) else "malformed"
            self._receiver.count(f"{self._signal.name}.{outcome}")


def _insert(connection: Connection, table: Table, token: str) -> None:
    block = encode_block(table.columns, table.rows)
    written = connection.insert(_head(table, token), "Native", block)
    # Rows of materialised views count too, so more is possible; a retry that was recognised
    # reports its rows as well.
    if written < table.rows:
        raise RowsLost(f"only {written} of {table.rows} rows were written to {table.name}")


def _head(table: Table, token: str) -> str:
    columns = ", ".join(map(quote_identifier, table.columns))
    settings = ", ".join(
        f"{name} = {value if isinstance(value, int) else quote_string(str(value))}"
        for name, value in insert_settings(token).items()
    )
    return f"INSERT INTO {DATABASE}.{table.name} ({columns}) SETTINGS {settings}"
