"""An agent is killed between reserve and settle; another one answers late. One ledger file."""

import os
import signal
import threading
import time

from spanledger.guard.ledger import Counter
from spanledger.testing.providers import Hang, MockProvider, RecordedRequest, Reply
from tests.guard._wait import until
from tests.scenarios._agents import Agents
from tests.scenarios._shared import DEMO_NANO_USD, used

ASKED, USED = 5000, 500
ASKED_NANO_USD, USED_NANO_USD = ASKED * DEMO_NANO_USD, USED * DEMO_NANO_USD
#: Room for two calls that are charged in full. A lease ends soon, a starting agent takes longer.
ENV = {"SPANLEDGER_BUDGET_USD": "0.11", "SPANLEDGER_LEASE_S": "0.5"}


def _counter(agents: Agents) -> Counter:
    ((_key, counter),) = agents.ledger().counters("environment-cost")
    return counter


def test_scenario_07_what_a_killed_agent_held_is_charged_when_its_lease_has_ended(
    provider: MockProvider, agents: Agents
) -> None:
    provider.enqueue(Hang())
    killed = agents.start("ask", ASKED, env=ENV)
    until(provider.calls)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(30) == -signal.SIGKILL
    assert _counter(agents) == Counter(0, ASKED_NANO_USD, 0)
    time.sleep(0.5)  # the lease is on the clock of the host: nobody can wind it on
    provider.enqueue(used(USED))
    report = agents.run("ask", ASKED, 2, env=ENV)
    # The second call finds $0.11 less $0.05, which nobody used as far as we know, and $0.005.
    assert report["outcomes"] == ["ok", "ok"]
    counter = _counter(agents)
    assert counter.reserved == 0
    assert counter.spent >= ASKED_NANO_USD + USED_NANO_USD
    kinds = {change.reservation_id: change.kind for change in agents.ledger().settlements()}
    assert sorted(kinds.values()) == ["expired", "settled", "settled"]


def test_scenario_07_a_settlement_that_comes_after_the_lease_corrects_the_charge(
    provider: MockProvider, agents: Agents
) -> None:
    answer = threading.Event()

    def late(_request: RecordedRequest) -> Reply:
        assert answer.wait(60)
        return used(USED)

    provider.enqueue(late, used(USED))
    slow = agents.start("ask", ASKED, env=ENV)
    until(provider.calls)
    time.sleep(0.5)  # as above
    assert agents.run("ask", ASKED, env=ENV)["outcomes"] == ["ok"]
    assert _counter(agents) == Counter(ASKED_NANO_USD + USED_NANO_USD, 0, 0)
    answer.set()
    assert agents.result(slow)["outcomes"] == ["ok"]
    assert _counter(agents) == Counter(2 * USED_NANO_USD, 0, 0)
    changes = [(c.kind, c.charged) for c in agents.ledger().settlements()]
    assert ("corrected", USED_NANO_USD - ASKED_NANO_USD) in changes
