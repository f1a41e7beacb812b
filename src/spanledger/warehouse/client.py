"""A warehouse behind a URL: a real server, a cluster, or the local stack's bridge."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Self

from spanledger.warehouse._failures import translate
from spanledger.warehouse._statement import check_parameters, insert_settings
from spanledger.warehouse._url import Address, parse_url
from spanledger.warehouse.errors import DriverMissing, InvalidUrl

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

URL_VARIABLE = "SPANLEDGER_CLICKHOUSE_URL"
_PIECE_BYTES = 1 << 18

Tracer = Callable[[str, Mapping[str, object]], None]
"""Called with each statement and its parameters before it is sent."""


class Warehouse:
    """One ClickHouse database. Safe to share between threads; close it when done."""

    def __init__(self, address: Address, client: "Client", tracer: Tracer | None = None) -> None:
        self._address = address
        self._client = client
        self._tracer = tracer

    @property
    def address(self) -> Address:
        return self._address

    @property
    def database(self) -> str:
        return self._address.database

    @property
    def server_version(self) -> str:
        """ClickHouse's version, like ``25.8.2.1``."""
        return str(self._client.server_version)

    def query(self, sql: str, /, **parameters: object) -> list[dict[str, Any]]:
        """Rows of a SELECT, each as a dict by column name.

        Values are bound by the server: write ``{name:Type}`` in the statement and give
        ``name=value``.

        Raises:
            WarehouseError: the one that says what is wrong and what to do.
        """
        check_parameters(sql, parameters)
        with self._sending(sql, parameters):
            result = self._client.query(sql, parameters=parameters or None)
            names = result.column_names
            return [dict(zip(names, row, strict=True)) for row in result.result_rows]

    def stream(self, sql: str, /, *, form: str, **parameters: object) -> Iterator[bytes]:
        """What a SELECT gives, in one of ClickHouse's formats (``CSVWithNames``, ``Parquet`` …),
        piece by piece: memory stays flat, however much there is.

        Raises:
            WarehouseError: the one that says what is wrong and what to do.
        """
        check_parameters(sql, parameters)
        with self._sending(sql, parameters):
            body: Any = self._client.raw_stream(sql, parameters=parameters or None, fmt=form)
            with closing(body):
                while piece := body.read(_PIECE_BYTES):
                    yield piece

    def command(self, sql: str, /, *, use_database: bool = True, **parameters: object) -> None:
        """Run a statement that gives no rows; without its database to create that one.

        Raises:
            WarehouseError: the one that says what is wrong and what to do.
        """
        check_parameters(sql, parameters)
        with self._sending(sql, parameters):
            self._client.command(sql, parameters=parameters or None, use_database=use_database)

    def insert(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        deduplication_token: str | None = None,
    ) -> None:
        """Write rows; when this returns they are in, and so are those of materialised views.

        Args:
            table: Its name in this database.
            columns: Names of the columns that the rows hold; the others get their defaults.
            rows: One sequence of values per row.
            deduplication_token: The same token with the same rows again writes nothing. Without
                one the rows' own hash serves.

        Raises:
            WarehouseError: the one that says what is wrong and what to do.
        """
        if not rows:
            return
        settings = insert_settings(deduplication_token)
        with self._sending(f"INSERT INTO {table}", settings):
            self._client.insert(
                table, rows, columns, database=self.database, settings=dict(settings)
            )

    def insert_json(self, place: str, rows: str, *, node: int | None = None) -> None:
        """Write rows that are JSON objects, one a line.

        Args:
            place: The table as SQL names it, or ``FUNCTION`` and a table function.
            rows: The lines.
            node: Of a function over a cluster: the only node to write to, from 1.

        Raises:
            WarehouseError: the one that says what is wrong and what to do.
        """
        settings = f" SETTINGS insert_shard_id = {node:d}" if node is not None else ""
        sql = f"INSERT INTO {place}{settings} FORMAT JSONEachRow"
        with self._sending(sql, {}):
            self._client.command(sql, data=rows)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def _sending(self, sql: str, parameters: Mapping[str, object]) -> Iterator[None]:
        if self._tracer is not None:
            self._tracer(sql, parameters)
        with _translated(self._address):
            yield


def connect(
    url: str | None = None, *, timeout_s: float = 300, tracer: Tracer | None = None
) -> Warehouse:
    """Connect to a warehouse.

    Args:
        url: ``http(s)://user:password@host:port/database``; by default the value of
            ``SPANLEDGER_CLICKHOUSE_URL``.
        timeout_s: How long one statement may take.
        tracer: Called with each statement before it is sent.

    Raises:
        InvalidUrl: the URL is not understood, or there is none.
        DriverMissing: the ClickHouse driver is not installed.
        WarehouseUnreachable: nothing answers there.
        AccessDenied: the user or password is wrong.
    """
    url = url or os.environ.get(URL_VARIABLE)
    if not url:
        raise InvalidUrl(
            f"no ClickHouse address: set {URL_VARIABLE}, or start the local stack (`spanledger up`)"
        )
    address = parse_url(url)
    return Warehouse(address, _client(address, timeout_s), tracer)


def _client(address: Address, timeout_s: float) -> "Client":
    try:
        import clickhouse_connect
    except ImportError:
        raise DriverMissing(
            "the ClickHouse driver is not installed; run `pip install 'spanledger[cli]'`"
        ) from None
    with _translated(address):
        client = clickhouse_connect.get_client(
            host=address.host,
            port=address.port,
            username=address.user,
            password=address.password,
            secure=address.secure,
            send_receive_timeout=int(timeout_s),
            connect_timeout=10,
            # A session allows one statement at a time; none of ours needs one.
            autogenerate_session_id=False,
        )
    # Not at the connection: the database may be what is about to be created.
    client.database = address.database
    return client


@contextmanager
def _translated(address: Address) -> Iterator[None]:
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (ClickHouseError, HTTPError, OSError) as error:
        raise translate(error, address) from error
