"""A circuit breaker opens when a provider fails, and closes when it works again.

    python examples/breaker.py

Runs offline: the provider is a mock on this machine that answers 503 four times and works
again afterwards. After four failures nobody has to wait for the fifth: the breaker refuses at
once. When its open time is over it lets one call through to try.
"""

import logging
import time
import tomllib

from openai import InternalServerError, OpenAI

from spanledger.config import Document
from spanledger.guard import CircuitOpen, GuardEvent, current, read_policy
from spanledger.instrumentation import install
from spanledger.testing.providers import Fail, MockProvider, Reply
from spanledger.track import tool

OPEN_S = 1.0
RULES = f"""
[[breakers]]
name = "outages"
failure_rate = 0.5   # of the calls in the last minute …
min_calls = 4        # … once there are four of them
open_s = {OPEN_S}    # doubles with each failed recovery
permits = 1          # calls that try whether it works again
"""


def tell(event: GuardEvent) -> None:
    if event.kind == "breaker":
        print(f"   {event.message} ({event.reason})")


def main() -> None:
    # What the guard says is printed below; here it would also be logged.
    logging.getLogger("spanledger.guard").setLevel(logging.ERROR)
    install(
        policy=read_policy(Document(text=RULES, data=tomllib.loads(RULES))),
        overrides={"export.mode": "off", "guard.store": "memory"},
    )
    current().with_listener(tell)
    with MockProvider(Reply(text="It is noon.")) as provider:
        provider.enqueue(*[Fail(status=503)] * 4)
        client = OpenAI(base_url=provider.openai_base_url, api_key="none", max_retries=0)

        @tool
        def ask_clock(question: str) -> str:
            """Ask the model that knows the time."""
            reply = client.chat.completions.create(
                model="gpt-4.1-mini",
                max_tokens=20,
                messages=[{"role": "user", "content": question}],
            )
            return reply.choices[0].message.content or ""

        def attempt(number: int) -> None:
            try:
                print(f"call {number}: {ask_clock('What time is it?')}")
            except InternalServerError as error:
                print(f"call {number}: the provider failed with {error.status_code}")
            except CircuitOpen as refusal:
                print(f"call {number}: not sent. {refusal}")

        for number in range(1, 8):
            attempt(number)
        print(f"waiting {OPEN_S:g} s, as the breaker said …")
        time.sleep(OPEN_S)
        for number in range(8, 11):
            attempt(number)
        print(f"10 calls were made, {len(provider.requests)} reached the provider")


if __name__ == "__main__":
    main()
