"""The engines and databases of the storage tests, and one history for all that only read."""

from collections.abc import Iterator
from itertools import count

import pytest

from spanledger.warehouse import Warehouse, connect, migrate
from tests.analytics._history import History, fill
from tests.warehouse.conftest import _build_only_when_told as build_only_when_told
from tests.warehouse.conftest import (  # noqa: F401 - fixtures are found by their names here
    embedded_url,
    engine_url,
    migrated,
    server,
    warehouse,
    warehouse_url,
    with_database,
)

_numbers = count()


@pytest.fixture(scope="package", params=["server-25.8", "embedded"])
def readable(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """A database of its own on each engine; built only when told.

    It lasts for the folder, or until the next engine's turn, if tests come in another order.
    """
    database = f"readable_{next(_numbers)}"
    if request.param == "embedded":
        url = with_database(request.getfixturevalue("embedded_url"), database)
    else:
        url = request.getfixturevalue("server").url(database)
    with connect(url) as found:
        migrate(found)
        build_only_when_told(found)
        yield found


@pytest.fixture(scope="package")
def known(readable: Warehouse) -> History:
    """Four weeks; tests only read it."""
    return fill(readable)
