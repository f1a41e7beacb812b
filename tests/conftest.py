"""Each test has a data directory of its own, and so have the agents that it starts.

The ledger lies there by default: without this, tests would count into the user's budgets, and
into each other's.
"""

import signal
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from opentelemetry import trace

from tests._folders import Folders

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A runner that was started in the background ignores Ctrl-C, and so would what the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_numbers = count()
#: Folders whose files take minutes each: begun first, so that no core waits for them at the end.
_LONG = ("pipeline", "boot", "grafana")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long folders first, in that order; the rest as it was."""
    ranks = {folder: rank for rank, folder in enumerate(_LONG)}
    root = Path(__file__).parent
    items.sort(key=lambda item: ranks.get(item.path.relative_to(root).parts[0], len(_LONG)))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Folders())


@pytest.fixture(scope="session")
def _data_root() -> Iterator[Path]:
    """Short, for sockets may lie below it."""
    with tempfile.TemporaryDirectory(prefix="spl-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture
def _the_tracer_provider_stays() -> Iterator[None]:
    """A test that leaves one behind changes what the tests after it find."""
    before = trace._TRACER_PROVIDER
    yield
    assert trace._TRACER_PROVIDER is before, "the test left a global tracer provider behind"


@pytest.fixture(autouse=True)
def _own_data_dir(
    _the_tracer_provider_stays: None, _data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By both names: many tests start agents without this process's settings."""
    folder = _data_root / str(next(_numbers))
    monkeypatch.setenv("SPANLEDGER_DATA_DIR", str(folder / "spanledger"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
