"""One ClickHouse server and a fresh, migrated database for each test that goes through it."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanledger.warehouse import Warehouse, connect, migrate
from tests._engines import ClickHouseServer, EngineUnavailable
from tests.pipeline import _collector
from tests.pipeline._collector import FAST, Collector, CollectorUnavailable

_numbers = itertools.count(1)

#: Starts a Collector with these configurations in front of the test's own database.
StartCollector = Callable[..., Collector]


@pytest.fixture(scope="session")
def collector_binary() -> Path:
    """The built Collector, or a skip that says why there is none."""
    try:
        return _collector.binary()
    except CollectorUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A genuine ClickHouse 25.8 server, HTTP and native TCP."""
    server = ClickHouseServer(tmp_path_factory.mktemp("clickhouse"))
    try:
        yield server.start()
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    finally:
        server.stop()


@pytest.fixture
def warehouse(server: ClickHouseServer) -> Iterator[Warehouse]:
    """A migrated database of the test's own."""
    database = f"pipeline_{next(_numbers)}"
    with connect(server.url(database)) as warehouse:
        migrate(warehouse)
        yield warehouse
        warehouse.command(f"DROP DATABASE IF EXISTS {database}", use_database=False)


@pytest.fixture
def start_collector(
    collector_binary: Path, server: ClickHouseServer, warehouse: Warehouse, tmp_path: Path
) -> Iterator[StartCollector]:
    """Starts Collectors; they are stopped when the test ends."""
    started: list[Collector] = []

    def start(
        *configs: str, clickhouse: str | None = None, settings: tuple[str, ...] = FAST, **env: str
    ) -> Collector:
        environment = {
            **clickhouse_environment(server, warehouse.database, clickhouse),
            **env,
        }
        directory = tmp_path / f"collector-{len(started)}"
        collector = Collector(directory, configs, environment, settings)
        started.append(collector)
        return collector.start()

    yield start
    for collector in started:
        collector.kill()


def clickhouse_environment(
    server: ClickHouseServer, database: str, endpoint: str | None = None
) -> dict[str, str]:
    """Where a Collector finds the database: by the native protocol, if nothing else is said."""
    return {
        "SPANLEDGER_CLICKHOUSE_ENDPOINT": endpoint or f"tcp://127.0.0.1:{server.tcp_port}",
        "SPANLEDGER_CLICKHOUSE_USER": server.user,
        "SPANLEDGER_CLICKHOUSE_PASSWORD": server.password,
        "SPANLEDGER_CLICKHOUSE_DATABASE": database,
    }
