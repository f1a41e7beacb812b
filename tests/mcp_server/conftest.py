"""What the demo's agents did, in a stack of its own; the server over both transports."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spanledger.analytics import TrackedCall, track_call
from spanledger.warehouse import connect
from tests.cli.conftest import History, history
from tests.mcp_server._client import Assistant, over_http, over_stdio

__all__ = ["history"]


@pytest.fixture(scope="package")
def weeks(history: History) -> None:
    """Beside the demo, what an agent cost each day, from six weeks ago to twelve days ago."""
    with connect(history.info.clickhouse_url) as warehouse:
        for days in range(12, 42):
            at = datetime.now(UTC) - timedelta(days=days)
            call = TrackedCall("openai", "gpt-4.1-mini", 1000 + days, 100, cost_nano_usd=10**9,
                               agent="night-shift", session=f"night-{days}")  # fmt: skip
            track_call(warehouse, call, at=at)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers of a module run: their ledger and policy are there."""
    made = tmp_path_factory.mktemp("assistant")
    (made / "spanledger.toml").write_text(
        '[[budgets]]\nname = "team"\nmetric = "cost"\nlimit = 5\nwindow = "day"\n'
        '[[rate_limits]]\nname = "steady"\nmetric = "calls"\nlimit = 30\nper = "minute"\n'
        'scope = "user"\n'
    )
    return made


@pytest.fixture(scope="module", params=["stdio", "http"])
def assistant(
    request: pytest.FixtureRequest, history: History, folder: Path
) -> Iterator[Assistant]:
    """A client of a server that changes nothing, over each transport in turn."""
    over = over_stdio if request.param == "stdio" else over_http
    with over(folder, *history.where) as client:
        yield client


@pytest.fixture(scope="module")
def trusted(history: History, folder: Path) -> Iterator[Assistant]:
    """A client of a server that may change things."""
    with over_stdio(folder, *history.where, "--allow-writes") as client:
        yield client
