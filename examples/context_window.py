"""A long conversation stays within its model's window, and says what that took.

    python examples/context_window.py

Runs offline: the model is a mock on this machine. The window is made small, so that it fills
within a few turns. Every compression is an event on the agent's trace; the trace and what the
calls have cost are printed at the end.
"""

import tomllib

from openai import OpenAI

from spanledger.config import Document
from spanledger.context import Conversation, analyze
from spanledger.guard import current, read_policy
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider, Reply
from spanledger.testing.spans import capture_spans
from spanledger.track import agent

LIMIT_TOKENS = 700
RULES = """
[[budgets]]
name = "today"
metric = "cost"
limit = 1
window = "day"
scope = "global"
"""
PAGE = "The ferry brings parcels on Monday and Thursday, unless the wind is above eight. " * 6


def look_up(topic: str) -> str:
    """What the handbook says about something."""
    return f"{topic}: {PAGE}"


def say(talk: Conversation) -> None:
    status = talk.status()
    print(
        f"   {status['tokens']} of {status['limit_tokens']} tokens, {status['messages']} messages, "
        f"compressed {status['compressions']} times"
    )


def main() -> None:
    install(
        policy=read_policy(Document(text=RULES, data=tomllib.loads(RULES))),
        overrides={"export.mode": "off", "guard.store": "memory"},
    )
    with (
        MockProvider(Reply(text="On Monday, if the wind allows.")) as provider,
        capture_spans(as_global=True) as spans,
    ):
        client = OpenAI(base_url=provider.openai_base_url, api_key="none")
        talk = Conversation(
            "gpt-4.1-mini",
            system="You answer from the handbook.",
            limit_tokens=LIMIT_TOKENS,
            preset="heavy",
        )
        with agent("harbour desk"):
            talk.add("user", "My name is Ada, and my parcel is number 17.", pinned=True)
            for topic in ("ferries", "customs", "storage", "refunds", "opening hours"):
                talk.add("user", f"What about {topic}?")
                talk.execute_tool(look_up, {"topic": topic})
                reply = client.chat.completions.create(
                    model=talk.model, max_tokens=60, **talk.request()
                )
                talk.add(reply.choices[0].message)
                print(f"asked about {topic}")
                say(talk)
        print("\nThe next call:")
        found = analyze(talk.request()["messages"], talk.model, window_tokens=LIMIT_TOKENS)
        print(f"   {found.tokens} tokens, {found.next_call_nano_usd} nano-USD")
        for advice in found.recommendations:
            print(f"   {advice}")
        print(f"\nStill there: {talk.messages[0]['content']}")
        print(f"\nThe trace:\n{spans.tree(attributes=['spanledger.cost.nano_usd'])}")
    for _key, counter in current().store.counters("today"):
        print(f"ledger: {counter.spent} nano-USD spent today")


if __name__ == "__main__":
    main()
