"""Engines and databases for the storage tests: one server and one database a session."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from spanledger.warehouse import Warehouse, connect, migrate
from tests._engines import ClickHouseServer, EngineUnavailable

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A genuine ClickHouse 25.8 server."""
    yield from _running(tmp_path_factory.mktemp("clickhouse"), keeper=False)


@pytest.fixture(scope="package")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A ClickHouse 25.8 server with a keeper: a cluster of one."""
    yield from _running(tmp_path_factory.mktemp("cluster"), keeper=True)


def _running(directory: Path, *, keeper: bool) -> Iterator[ClickHouseServer]:
    server = ClickHouseServer(directory, keeper=keeper)
    try:
        yield server.start()
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    finally:
        server.stop()


@pytest.fixture(scope="package")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The local stack's query address, over the embedded engine."""
    stack = pytest.importorskip("spanledger.stack", reason="the local stack cannot be imported")
    if not hasattr(stack, "start"):
        pytest.skip("the local stack has no start() yet")
    pytest.importorskip("chdb", reason="the embedded engine is not installed")
    data_dir = tmp_path_factory.mktemp("stack")
    info = stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    try:
        yield info.clickhouse_url
    finally:
        stack.stop(data_dir)


@pytest.fixture(params=["server-25.8", "embedded"])
def engine_url(request: pytest.FixtureRequest) -> str:
    """Address of each engine in turn."""
    if request.param == "embedded":
        return str(request.getfixturevalue("embedded_url"))
    server: ClickHouseServer = request.getfixturevalue("server")
    return server.url("default")


@pytest.fixture
def warehouse_url(engine_url: str) -> Iterator[str]:
    """Address of a database that does not exist yet, on each engine in turn."""
    database = f"test_{next(_numbers)}"
    url = with_database(engine_url, database)
    yield url
    with connect(url) as warehouse:
        warehouse.command(f"DROP DATABASE IF EXISTS {database}", use_database=False)


@pytest.fixture
def fresh_warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """A migrated database of the test's own, whose schema it may change."""
    with connect(warehouse_url) as warehouse:
        migrate(warehouse)
        yield warehouse


@pytest.fixture(scope="package")
def migrated() -> set[str]:
    """Addresses of the databases that tests share, one an engine: to migrate one takes seconds."""
    return set()


@pytest.fixture
def warehouse(engine_url: str, migrated: set[str]) -> Iterator[Warehouse]:
    """A migrated database without rows, on each engine in turn."""
    url = with_database(engine_url, "test")
    with connect(url) as warehouse:
        if url not in migrated:
            migrate(warehouse)
            _build_only_when_told(warehouse)
            migrated.add(url)
        yield warehouse
        _empty(warehouse)


def _build_only_when_told(warehouse: Warehouse) -> None:
    """No roll-up is built behind a test's back."""
    views = warehouse.query(
        "SELECT view FROM system.view_refreshes WHERE database = currentDatabase()"
    )
    for row in views:
        warehouse.command(f"ALTER TABLE {row['view']} MODIFY REFRESH EVERY 1 YEAR APPEND")


def _empty(warehouse: Warehouse) -> None:
    filled = warehouse.query(
        "SELECT DISTINCT table FROM system.parts WHERE active AND rows > 0 "
        "AND database = currentDatabase() AND table != 'schema_migrations'"
    )
    for row in filled:
        warehouse.command(f"TRUNCATE TABLE {row['table']}")


def with_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
