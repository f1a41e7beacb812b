"""$1.00, many processes, each call holds $0.05 and costs $0.005 to $0.05."""

import threading
from random import Random

import pytest

from spanledger.testing.providers import MockProvider, RecordedRequest, Reply
from tests.scenarios._agents import Agents
from tests.scenarios._shared import DEMO, DEMO_NANO_USD, USD, used


class Answers:
    """Answers of random length; what they cost."""

    def __init__(self) -> None:
        self._lock, self._random = threading.Lock(), Random(1)
        self.cost_nano_usd = 0

    def __call__(self, _request: RecordedRequest) -> Reply:
        with self._lock:
            tokens = self._random.randint(500, 5000)
            self.cost_nano_usd += tokens * DEMO_NANO_USD
        return used(tokens)


@pytest.mark.parametrize("processes", [6, pytest.param(48, marks=pytest.mark.slow)])
def test_scenario_01_many_processes_spend_a_dollar_and_not_a_cent_more(
    provider: MockProvider, agents: Agents, processes: int
) -> None:
    answers = Answers()
    provider.on(DEMO, answers)
    limit = {"SPANLEDGER_BUDGET_USD": "1.00"}
    found = agents.together(processes, "spend", 5000, env=limit)
    assert {report["outcomes"][-1] for report in found} == {"BudgetExceeded: budget_exhausted"}
    store = agents.ledger()
    ((_key, counter),) = store.counters("environment-cost")
    assert counter.spent == answers.cost_nano_usd
    # Who is refused for good finds less left than the $0.05 that a call may cost.
    assert 0.95 * USD < counter.spent <= USD
    assert counter.reserved == store.open_reservations() == 0
    assert provider.calls() == sum(len(report["outcomes"]) - 1 for report in found)
