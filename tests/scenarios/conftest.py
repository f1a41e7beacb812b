"""A provider, prices and stores for the scenarios; nothing is left over between two tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanledger import pricing
from spanledger.config import GuardSettings
from spanledger.guard import Store, open_store
from spanledger.guard.stores.redis import RedisStore
from spanledger.testing.providers import MockProvider
from tests._heap import small_heap
from tests._redis import RedisMissing, RedisServer, redis_server
from tests.gate import _gate
from tests.scenarios._agents import Agents
from tests.scenarios._shared import DEMO_PRICES

__all__ = ["small_heap"]

#: Writes a file of prices, and makes it that of this process.
SetPrices = Callable[[str], Path]


@pytest.fixture(scope="session")
def running_provider() -> Iterator[MockProvider]:
    with MockProvider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: MockProvider) -> MockProvider:
    """The mock provider, with nothing enqueued and nothing received."""
    running_provider.wait_idle()
    running_provider.reset()
    return running_provider


@pytest.fixture(autouse=True)
def prices_of_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prices that the gate's own tests bring would replace those that a scenario sets."""
    monkeypatch.delitem(_gate._SETTINGS, "pricing.overrides")


@pytest.fixture
def set_prices(tmp_path: Path) -> Iterator[SetPrices]:
    path = tmp_path / "prices.toml"

    def write(text: str) -> Path:
        path.write_text(text)
        pricing.configure(path)
        return path

    yield write
    pricing.configure()


@pytest.fixture
def demo_prices(set_prices: SetPrices) -> Path:
    """The demo model has its price."""
    return set_prices(DEMO_PRICES)


@pytest.fixture
def agents(provider: MockProvider, demo_prices: Path, tmp_path: Path) -> Iterator[Agents]:
    """Starts agents as processes; what still runs at the end is killed."""
    started = Agents(provider, demo_prices, tmp_path)
    yield started
    started.end()


@pytest.fixture(scope="session")
def redis_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer | None]:
    try:
        with redis_server(tmp_path_factory.mktemp("redis")) as server:
            yield server
    except RedisMissing:
        yield None


@pytest.fixture
def redis(redis_of_the_session: RedisServer | None) -> RedisServer:
    """A server that is empty."""
    if redis_of_the_session is None:
        pytest.skip("no redis-server or valkey-server found")
    redis_of_the_session.command("FLUSHALL")
    return redis_of_the_session


@pytest.fixture(params=["memory", "sqlite", "redis"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store in turn, empty."""
    name: str = request.param
    if name == "redis":
        url = request.getfixturevalue("redis").url
        # A busy machine may take longer than the 50 ms that an agent waits for an answer.
        return RedisStore(url, directory=tmp_path / "ledger", timeout_s=5.0)
    return open_store(GuardSettings(store=name), tmp_path / "ledger")
