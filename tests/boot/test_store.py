"""A ledger that outlives the process: the next one goes on with what is left."""

from pathlib import Path

import pytest

from spanledger.testing.providers import MockProvider
from tests.boot._run import LIMIT_OF_TWO, SILENT, run


def test_a_budget_in_a_file_is_shared_by_processes_one_after_the_other(
    provider: MockProvider, tmp_path: Path
) -> None:
    """Two calls for all of them, not for each."""
    ledger = tmp_path / "ledger" / "spend.sqlite"
    env = {**SILENT, **LIMIT_OF_TWO, "SPANLEDGER_STORE": f"sqlite:{ledger}"}
    first = run(provider, env=env)
    second = run(provider, env=env)
    assert first.outcomes.count("ok") == 2
    assert second.outcomes.count("ok") == 0
    assert provider.calls() == 2


@pytest.mark.parametrize("store", ["postgres://x", "sqlitefile"])
def test_a_store_that_does_not_exist_lets_nothing_through(
    provider: MockProvider, store: str
) -> None:
    done = run(provider, env={**SILENT, **LIMIT_OF_TWO, "SPANLEDGER_STORE": store})
    assert "guard.store: no such store" in done.stderr
    assert provider.calls() == 0
