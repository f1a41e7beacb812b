"""Engines and databases for the storage tests: one server a session, one database a test."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from spanledger.warehouse import Warehouse, connect, migrate
from tests._engines import ClickHouseServer, EngineUnavailable

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A genuine ClickHouse 25.8 server."""
    yield from _running(tmp_path_factory.mktemp("clickhouse"), keeper=False)


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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
def warehouse_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a database that does not exist yet, on each engine in turn."""
    database = f"test_{next(_numbers)}"
    if request.param == "embedded":
        url = with_database(request.getfixturevalue("embedded_url"), database)
    else:
        url = request.getfixturevalue("server").url(database)
    yield url
    with connect(url) as warehouse:
        warehouse.command(f"DROP DATABASE IF EXISTS {database}", use_database=False)


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """A migrated database, on each engine in turn."""
    with connect(warehouse_url) as warehouse:
        migrate(warehouse)
        yield warehouse


def with_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
