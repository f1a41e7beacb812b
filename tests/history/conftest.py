"""A process that remembers, and one migrated database an engine for the whole folder."""

from collections.abc import Iterator

import pytest

from spanledger.processors import AttributionProcessor, history, span_end
from spanledger.testing.spans import SpanCapture, capture_spans
from spanledger.warehouse import Warehouse, connect, migrate
from tests.history._rows import seed
from tests.warehouse.conftest import (
    embedded_url,
    server,
    with_database,
)

__all__ = ["embedded_url", "server"]


@pytest.fixture
def remembering() -> Iterator[SpanCapture]:
    """This process keeps its last 100 actions; `sesame` is its secret."""
    span_end.install()
    try:
        with capture_spans(AttributionProcessor(), as_global=True) as capture:
            history.remember(100, lambda text: text.replace("sesame", "[cut]"))
            yield capture
    finally:
        history.use(None)
        span_end.uninstall()


@pytest.fixture(scope="module", params=["server-25.8", "embedded"])
def stored(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """The actions of `_rows.seed`, on each engine in turn."""
    if request.param == "embedded":
        url = with_database(request.getfixturevalue("embedded_url"), "history")
    else:
        url = request.getfixturevalue("server").url("history")
    with connect(url) as warehouse:
        migrate(warehouse)
        seed(warehouse)
        yield warehouse
        warehouse.command("DROP DATABASE history", use_database=False)
