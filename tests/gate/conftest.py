"""One mock provider for the folder; a gate of its own for each test."""

import gc
from collections.abc import Iterator

import pytest

from spanledger.testing.providers import MockProvider
from tests.gate._gate import Gate, gated


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
def gate(provider: MockProvider) -> Iterator[Gate]:
    """The gate over the provider, under budgets that are wide enough for every test."""
    with gated(provider) as gate:
        yield gate


@pytest.fixture(scope="session", autouse=True)
def small_heap() -> None:
    """What the imports left is not looked at by each of the many collections here."""
    gc.collect()
    gc.freeze()
