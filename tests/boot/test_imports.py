"""The order of things: client, provider and `install()` may come in any."""

import pytest

from spanledger import semconv
from spanledger.testing.providers import MockProvider
from tests.boot._run import INSTRUMENT, LIMIT_OF_TWO, run_program

REFUSED = ["ok", "ok", "BudgetExceeded", "BudgetExceeded"]

OURS = ["EnforcementProcessor"]


@pytest.mark.parametrize("program", ["client_before_install", "instance_before_install"])
def test_a_client_that_is_there_already_is_gated(provider: MockProvider, program: str) -> None:
    assert run_program(provider, program, env=LIMIT_OF_TWO)["outcomes"] == REFUSED
    assert provider.calls() == 2


def test_a_client_that_is_half_imported_is_gated(provider: MockProvider) -> None:
    report = run_program(provider, "install_while_the_client_is_imported", env=LIMIT_OF_TWO)
    assert report == {"outcomes": REFUSED, "gate": "active"}
    assert provider.calls() == 2


@pytest.mark.parametrize("launcher", [(), INSTRUMENT], ids=["from-code", "beside-the-hook"])
def test_installed_twice_is_installed_once(
    provider: MockProvider, launcher: tuple[str, ...]
) -> None:
    report = run_program(provider, "install_twice", env=LIMIT_OF_TWO, launcher=launcher)
    assert report["outcomes"] == REFUSED
    assert report["same"]
    assert report["processors"] == OURS


@pytest.mark.parametrize(
    ("program", "launcher"),
    [("install_after_the_provider", ()), ("providers_that_come_later", INSTRUMENT)],
    ids=["provider-first", "provider-later"],
)
def test_the_users_own_provider_gets_enriched_spans(
    provider: MockProvider, program: str, launcher: tuple[str, ...]
) -> None:
    # Without a configurator OpenTelemetry leaves the provider to the program.
    env = {**LIMIT_OF_TWO, "OTEL_PYTHON_CONFIGURATOR": "nobody's"}
    report = run_program(provider, program, env=env, launcher=launcher)
    assert report["outcomes"] == REFUSED
    assert report["processors"] == [*OURS, "SimpleSpanProcessor"]
    calls = [span for span in report["spans"] if semconv.BILLING in span]
    assert [span[semconv.BILLING] for span in calls] == ["call", "call", "refused", "refused"]
    assert {span[semconv.CONVERSATION_ID] for span in calls} == {"ticket-1"}
    assert all(span[semconv.COST_NANO_USD] > 0 for span in calls[:2])


def test_a_forked_child_shares_the_limit_with_its_parent(provider: MockProvider) -> None:
    """They count in one file: what the child takes is gone for the parent."""
    report = run_program(provider, "fork_after_a_call", env=LIMIT_OF_TWO)
    refused = ["BudgetExceeded"] * 3
    child, parent = ["ok", *refused], ["BudgetExceeded", *refused]
    assert report == {"outcomes": ["ok"], "child": child, "parent": parent}
    assert provider.calls() == 2


def test_in_memory_a_forked_child_has_the_limit_that_its_parent_had_left(
    provider: MockProvider,
) -> None:
    env = {**LIMIT_OF_TWO, "SPANLEDGER_STORE": "memory"}
    report = run_program(provider, "fork_after_a_call", env=env)
    refused = ["ok", *["BudgetExceeded"] * 3]
    assert report == {"outcomes": ["ok"], "child": refused, "parent": refused}
    assert provider.calls() == 3


def test_many_threads_at_once_stay_under_the_limit(provider: MockProvider) -> None:
    report = run_program(provider, "calls_of_many_threads", env={"SPANLEDGER_BUDGET_CALLS": "7"})
    assert report["outcomes"] == [*["BudgetExceeded"] * 33, *["ok"] * 7]
    assert provider.calls() == 7


def test_install_loads_no_client_and_nothing_heavy(provider: MockProvider) -> None:
    assert run_program(provider, "nothing_but_install")["loaded"] == []
