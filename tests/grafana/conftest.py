"""A ClickHouse for the dashboards: an empty database and a seeded one, read as Grafana does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from spanledger.warehouse import READER, Warehouse, allow_reader, connect, migrate
from tests._engines import ClickHouseServer, EngineUnavailable
from tests.grafana import _seed

PASSWORD = "only-to-read-12"


@dataclass(frozen=True)
class Databases:
    """A database without a row and one of a month, both as the reader sees them."""

    empty: Warehouse
    seeded: Warehouse
    end: datetime
    trace_id: str
    """A trace of the last hour that failed."""
    session_id: str
    """The session that it is of."""


@pytest.fixture(scope="package")
def grafana_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A genuine ClickHouse 25.8 server."""
    server = ClickHouseServer(tmp_path_factory.mktemp("grafana"))
    try:
        yield server.start()
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    finally:
        server.stop()


@pytest.fixture(scope="package")
def databases(grafana_server: ClickHouseServer) -> Iterator[Databases]:
    """Migrated once; nothing of the tests writes."""
    end = _seed.now()
    with (
        connect(grafana_server.url("empty")) as empty,
        connect(grafana_server.url("seeded")) as seeded,
    ):
        for owner in (empty, seeded):
            migrate(owner)
            allow_reader(owner, password=PASSWORD)
        _seed.seed(seeded, end)
        trace_id, session_id = _seed.newest_trace(seeded)
    with (
        connect(_as_reader(grafana_server.url("empty"))) as empty,
        connect(_as_reader(grafana_server.url("seeded"))) as seeded,
    ):
        yield Databases(empty, seeded, end, trace_id, session_id)


def _as_reader(url: str) -> str:
    parts = urlsplit(url)
    place = f"{READER}:{quote(PASSWORD, safe='')}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=place))
