"""80, 90 and 95 % are told once for each window, in order, however they are reached."""

import re

from spanledger import guard
from spanledger.guard import Budget, Policy
from spanledger.testing.providers import MockProvider
from tests.gate._gate import gated
from tests.scenarios._agents import Agents
from tests.scenarios._shared import DEMO, USD, Events, ask, client, used

PARTS = ["80%", "90%", "95%"]


def test_scenario_21_one_settlement_from_70_to_96_percent_tells_three_marks_in_order(
    provider: MockProvider, demo_prices: object
) -> None:
    provider.enqueue(used(70_000), used(26_000), used(3_000))
    events = Events()
    with gated(provider, Policy((Budget("day", "cost", USD, "day"),))):
        guard.current().with_listener(events)
        told = []
        for tokens in (70_000, 26_000, 3_000):
            ask(client(provider), max_tokens=tokens)
            told.append([e.message.split()[0] for e in events.of("threshold")])
    assert told == [[], PARTS, PARTS]


def test_scenario_21_ten_processes_that_race_and_one_that_starts_later_tell_each_mark_once(
    provider: MockProvider, agents: Agents
) -> None:
    """Each of a hundred calls costs a cent; the limit has room for one more."""
    provider.on(DEMO, used(1000))
    env = {"SPANLEDGER_BUDGET_USD": "1.01", "SPANLEDGER_BUDGET_WINDOW": "month"}
    found = agents.together(10, "ask_together", 1000, 10, env=env)
    assert [report["outcomes"] for report in found] == [["ok"] * 10] * 10
    assert sorted(_told(agents)) == PARTS
    assert agents.run("ask", 1000, env=env)["outcomes"] == ["ok"]
    assert sorted(_told(agents)) == PARTS
    ((_key, counter),) = agents.ledger().counters("environment-cost")
    assert (counter.spent, counter.reserved) == (1_010_000_000, 0)


def _told(agents: Agents) -> list[str]:
    return re.findall(r"(\d+%) of budget 'environment-cost' is used", agents.logs())
