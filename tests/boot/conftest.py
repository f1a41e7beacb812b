"""A mock provider for the folder, cleared for each test."""

from collections.abc import Iterator

import pytest

from spanledger.testing.otlp_server import OtlpServer
from spanledger.testing.providers import MockProvider


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


@pytest.fixture
def otlp() -> Iterator[OtlpServer]:
    """An OTLP receiver that takes everything."""
    with OtlpServer() as server:
        yield server
