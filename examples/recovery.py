"""An agent that meets failures and finishes: it retries, asks differently, and falls back.

    python examples/recovery.py

Runs offline: the provider is a mock on this machine. It is overloaded once, answers broken JSON
once, finds a context too long once, and is down in the end. Each new try is a span below, and a
reservation of its own.
"""

import json
import logging
from typing import Any

from openai import OpenAI

from spanledger.guard import Budget, Policy, current
from spanledger.guard.reporting import budget_lines
from spanledger.instrumentation import install
from spanledger.recovery import InvalidAnswer, adaptive, default_answer, fallback, other, retry
from spanledger.semconv import CALL_ATTEMPT as ATTEMPT
from spanledger.semconv import COST_NANO_USD as COST
from spanledger.semconv import RECOVERY_CHOICE as CHOICE
from spanledger.testing.providers import Fail, MockProvider, Reply
from spanledger.testing.spans import capture_spans
from spanledger.track import agent

TOO_LONG = "This model's maximum context length is 8192 tokens; reduce the length of the messages"
QUESTION = [
    {"role": "system", "content": "You answer with a JSON object."},
    {"role": "user", "content": "All of last year's reports: " + "lorem ipsum " * 200},
    {"role": "assistant", "content": "Read."},
    {"role": "user", "content": "Which month was the warmest?"},
]


def main() -> None:
    logging.getLogger("spanledger").setLevel(logging.ERROR)
    with capture_spans(as_global=True) as capture, MockProvider() as provider:
        install(
            policy=Policy((Budget("day", "cost", 10_000_000, window="day"),)),
            overrides={"export.mode": "off", "guard.store": "memory"},
        )
        client = OpenAI(base_url=provider.openai_base_url, api_key="none", max_retries=0)

        def ask(model: str, **request: Any) -> dict[str, Any]:
            reply = client.chat.completions.create(model=model, **request)
            text = reply.choices[0].message.content or ""
            try:
                found: dict[str, Any] = json.loads(text)
            except ValueError as error:
                raise InvalidAnswer(f"no JSON: {error}") from error
            return found

        @fallback(
            other(lambda **request: ask("gpt-4.1-nano", **request), name="smaller model"),
            default_answer({"month": "unknown"}),
            name="month",
        )
        @adaptive("month")
        @retry("month", attempts=2, base_s=0.05)
        def month(**request: Any) -> dict[str, Any]:
            return ask("gpt-4.1-mini", **request)

        good = Reply(text='{"month": "July"}')
        with agent("climate"):
            provider.enqueue(Fail(status=503), good)
            print("overloaded once: ", month(messages=QUESTION, max_tokens=50))
            provider.enqueue(Reply(text="It was July."), good)
            print("broken JSON:     ", month(messages=QUESTION, max_tokens=50))
            provider.enqueue(Fail(status=400, message=TOO_LONG), good)
            print("context too long:", month(messages=QUESTION, max_tokens=50))
            provider.enqueue(Fail(status=503), Fail(status=503), good)
            print("down, another:   ", month(messages=QUESTION, max_tokens=50))
            provider.enqueue(*[Fail(status=503)] * 9)
            print("all down:        ", month(messages=QUESTION, max_tokens=50))
        print(f"{len(provider.requests)} requests were made; the agent and what it did:")
        print(capture.tree(attributes=[CHOICE, ATTEMPT, COST]))
        for line in budget_lines(current(), 1):
            print(
                f"budget {line.rule}: ${line.spent:.6f} of ${line.limit:.2f}, {line.reserved} held"
            )


if __name__ == "__main__":
    main()
