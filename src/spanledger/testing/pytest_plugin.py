"""Fixtures for pytest. Not registered by itself; name it in a ``conftest.py``::

pytest_plugins = ["spanledger.testing.pytest_plugin"]
"""

from collections.abc import Callable, Iterator

import pytest

from spanledger.testing.clock import TickingClock
from spanledger.testing.clock import sequential_ids as make_sequential_ids
from spanledger.testing.otlp_server import OtlpServer
from spanledger.testing.providers import MockProvider
from spanledger.testing.spans import SpanCapture, capture_spans

__all__ = ["captured_spans", "mock_provider", "otlp_server", "sequential_ids", "ticking_clock"]


@pytest.fixture
def ticking_clock() -> TickingClock:
    """A clock that moves when it is told to."""
    return TickingClock()


@pytest.fixture
def sequential_ids() -> Callable[[], str]:
    """A maker of ids: ``id-000001``, ``id-000002``, …"""
    return make_sequential_ids()


@pytest.fixture
def captured_spans() -> Iterator[SpanCapture]:
    """The spans of the test; its provider is the process's during the test."""
    with capture_spans(as_global=True) as capture:
        yield capture


@pytest.fixture
def mock_provider() -> Iterator[MockProvider]:
    """A running mock provider."""
    with MockProvider() as provider:
        yield provider


@pytest.fixture
def otlp_server() -> Iterator[OtlpServer]:
    """A running OTLP receiver."""
    with OtlpServer() as server:
        yield server
