"""A ClickHouse for the alerts: one server, read as Grafana reads it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit, urlunsplit

import pytest

from spanledger.warehouse import READER, Warehouse, allow_reader, connect, migrate
from tests._engines import ClickHouseServer, EngineUnavailable
from tests.grafana.alerts._evaluator import Query
from tests.grafana.stories import STORIES, at, tell

PASSWORD, DATABASE = "only-to-read", "stories"

#: No rule looks further back than a week; whole weeks, because some budgets count by them.
_APART_DAYS = 14


@dataclass(frozen=True, slots=True)
class Day:
    """The day of a story in the database, and how to ask about it as Grafana does."""

    query: Query
    shift: timedelta

    def at(self, clock: str) -> datetime:
        """A time of that day, as ``14:05``."""
        return at(clock) + self.shift


Told = Callable[[str], Day]
"""Tells a story by its name, once; of any other name nothing is told."""


@pytest.fixture(scope="package")
def alert_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A genuine ClickHouse 25.8 server."""
    server = ClickHouseServer(tmp_path_factory.mktemp("alerts"))
    try:
        yield server.start()
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    finally:
        server.stop()


@pytest.fixture(scope="package")
def owner(alert_server: ClickHouseServer) -> Iterator[Warehouse]:
    """The database of all stories, as who may write into it."""
    with connect(alert_server.url(DATABASE)) as owner:
        migrate(owner)
        allow_reader(owner, PASSWORD)
        yield owner


@pytest.fixture(scope="package")
def told(owner: Warehouse, alert_server: ClickHouseServer) -> Iterator[Told]:
    """Tells stories, each on a day of its own and far from the others."""
    days: dict[str, Day] = {}

    def tell_once(name: str) -> Day:
        if name not in days:
            shift = _APART_DAYS * len(days)
            days[name] = Day(reader.query, timedelta(days=shift))
            if name in STORIES:
                tell(owner, STORIES[name]().moved(shift))
        return days[name]

    with connect(reader_url(alert_server, DATABASE)) as reader:
        yield tell_once


def reader_url(server: ClickHouseServer, database: str) -> str:
    """The address with the reader's name and password."""
    parts = urlsplit(server.url(database))
    place = f"{READER}:{quote(PASSWORD, safe='')}@{parts.hostname}:{parts.port}"
    return urlunsplit(parts._replace(netloc=place))
