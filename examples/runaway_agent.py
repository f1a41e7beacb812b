"""A loop rule stops an agent that runs in a circle.

    python examples/runaway_agent.py

Runs offline: the provider is a mock on this machine. Its model asks for the same search again
and again, and the search always finds the same: nothing. After three rounds Spanledger warns,
after five it refuses the sixth, before the tool runs.
"""

import json
import logging
import tomllib

from openai import OpenAI

from spanledger.config import Document
from spanledger.guard import GuardEvent, LoopDetected, current, read_policy
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider, Reply, ToolCall
from spanledger.track import agent, session, tool

RULES = """
[[loops]]
name = "circles"
action = "block"   # warn is the default
warn_at = 3        # the same call with the same result, so many times in a row
block_at = 5

[[ceilings]]
name = "hard-stop" # what no circle is too clever for
max_steps = 100
"""

STUBBORN = Reply(tool_calls=(ToolCall(name="search", arguments={"query": "opening hours"}),))
MAX_TURNS = 1000

searches = 0


@tool
def search(query: str) -> str:
    """Look something up."""
    global searches
    searches += 1
    return f"nothing found for {query!r}"


def tell(event: GuardEvent) -> None:
    if event.kind == "loop":
        print(f"   warning: {event.message}")


def work(client: OpenAI) -> str:
    """Do what the model asks for until it has an answer."""
    for turn in range(1, MAX_TURNS + 1):
        reply = client.chat.completions.create(
            model="gpt-4.1-mini",
            max_tokens=100,
            messages=[{"role": "user", "content": "When do you open?"}],
        )
        for call in reply.choices[0].message.tool_calls or ():
            if call.type != "function":
                continue
            print(f"turn {turn}: the model wants {call.function.name}({call.function.arguments})")
            search(**json.loads(call.function.arguments))
    return "no answer"


def main() -> None:
    # What the guard says is printed below; here it would also be logged.
    logging.getLogger("spanledger.guard").setLevel(logging.ERROR)
    install(
        policy=read_policy(Document(text=RULES, data=tomllib.loads(RULES))),
        overrides={"export.mode": "off", "guard.store": "memory"},
    )
    current().with_listener(tell)
    with MockProvider(STUBBORN) as provider:
        client = OpenAI(base_url=provider.openai_base_url, api_key="none")
        try:
            with session("ticket-17"), agent("helper"):
                work(client)
        except LoopDetected as refusal:
            print(f"stopped: {refusal}")
        print(f"the tool ran {searches} times, the model was asked {len(provider.requests)} times")


if __name__ == "__main__":
    main()
