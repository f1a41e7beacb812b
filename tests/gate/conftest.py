"""One mock provider for the folder; a gate of its own for each test."""

from collections.abc import Iterator

import pytest

from spanledger.testing.providers import MockProvider
from tests._heap import small_heap
from tests.gate._gate import Gate, gated

__all__ = ["small_heap"]


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
