"""An agent asks itself what it just did, and does something else the second time.

    python examples/ask_yourself.py

Runs offline: the provider is a mock on this machine. The agent looks a parcel up, the look-up
fails, and before it tries again it asks the history of its own process: what was my last action,
which command did it serve, has it failed before? The answers come out of spans; nothing was
written down for them, and no content has left this process.
"""

import logging

from openai import OpenAI

from spanledger import history
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider, Reply
from spanledger.track import agent, session, tool

QUESTION = "Where is parcel PX-7731?"


@tool
def ask_carrier(parcel: str) -> str:
    """The quick way; today it is broken."""
    raise TimeoutError(f"the carrier did not answer about {parcel}")


@tool
def ask_depot(parcel: str) -> str:
    """The slow way."""
    return f"{parcel} left Bergen this morning"


def main() -> None:
    logging.getLogger("spanledger").setLevel(logging.ERROR)
    install(overrides={"export.mode": "off", "guard.store": "memory"})
    with (
        MockProvider(Reply(text="Let me look.")) as provider,
        session("ticket-4711"),
        agent("clerk"),
    ):
        client = OpenAI(base_url=provider.openai_base_url, api_key="none")
        client.chat.completions.create(
            model="gpt-4.1-mini", messages=[{"role": "user", "content": QUESTION}]
        )
        print(look_up("PX-7731"))
        print("\nWhat I did, and why:")
        for sentence in history.explain_last_action().sentences:
            print(f"  {sentence}")
        print("\nIn short:")
        for sentence in history.summarize().sentences[1:]:
            print(f"  {sentence}")


def look_up(parcel: str) -> str:
    """By the carrier, unless that has just failed."""
    while True:
        last = history.last_action("tool")
        failed = last is not None and last.failed
        if last is not None and failed:
            print(f"{last.name}({last.arguments}) failed: {last.error_type}. Another way, then.")
        try:
            return ask_depot(parcel) if failed else ask_carrier(parcel)
        except TimeoutError:
            continue


if __name__ == "__main__":
    main()
