"""A sub-agent can't spend more than what is left of its parent.

    python examples/sub_agent.py

Runs offline: the provider is a mock on this machine. Every agent may spend one cent. The
planner uses a part of its cent and hands over to the writer: the writer has a cent of its own,
but what it spends for the planner is the planner's money too, and the planner's is soon gone.
"""

import logging
import tomllib

from openai import OpenAI

from spanledger.config import Document
from spanledger.guard import BudgetExceeded, current, read_policy, show_amount
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from spanledger.track import agent

RULES = """
[[budgets]]
name = "one-cent"
metric = "cost"
limit = "0.01"      # US dollars, for each agent
window = "total"
scope = "agent"
"""

ANSWER = Reply(text="Done.", usage=UsageSpec(input_tokens=100, output_tokens=1000))


def main() -> None:
    # What the guard says is printed below; here it would also be logged.
    logging.getLogger("spanledger.guard").setLevel(logging.ERROR)
    install(
        policy=read_policy(Document(text=RULES, data=tomllib.loads(RULES))),
        overrides={"export.mode": "off", "guard.store": "memory"},
    )
    with MockProvider(ANSWER) as provider:
        client = OpenAI(base_url=provider.openai_base_url, api_key="none")

        def work(who: str, calls: int) -> None:
            done = 0
            try:
                for _ in range(calls):
                    client.chat.completions.create(
                        model="gpt-4.1-mini",
                        max_tokens=1000,
                        messages=[{"role": "user", "content": "The next step, please."}],
                    )
                    done += 1
            except BudgetExceeded as refusal:
                print(f"{who} was refused: {refusal}")
            print(f"{who} made {done} of {calls} calls; spent now: {spent()}")

        with agent("planner"):
            work("the planner", 3)
            with agent("writer"):
                work("the writer, for the planner,", 10)
        with agent("writer"):
            work("the writer, on its own,", 2)


def spent() -> str:
    """What each agent has spent."""
    counters = sorted(current().store.counters("one-cent"))
    return ", ".join(f"{key.value} {show_amount('cost', c.spent)}" for key, c in counters)


if __name__ == "__main__":
    main()
