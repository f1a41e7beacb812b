"""One agent, five troubles, one run: it meets all of them and still finishes.

    python examples/calm_agent.py

Runs offline: two providers are mocks on this machine. One sends a rate limit, a broken JSON answer
and a refusal of a conversation that is too long; the other one is down, so that its breaker opens;
and the budget is nearly spent when the best model is wanted. docs/calm-agent.md walks through it.
"""

import json
import logging
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any

from anthropic import Anthropic
from openai import OpenAI

from spanledger import semconv, track
from spanledger.config import Document
from spanledger.context import compress
from spanledger.guard import current, read_policy, show_amount
from spanledger.instrumentation import install
from spanledger.recovery import InvalidAnswer, adaptive, fallback, other, retry
from spanledger.testing.providers import Fail, MockProvider, Reply, UsageSpec
from spanledger.testing.spans import SpanCapture, SpanDict, capture_spans
from spanledger.track import tokens
from spanledger.track.tools import Registry

RULES = """
[[budgets]]
name = "ticket"
metric = "cost"
limit = "0.008"      # US dollars, for each session
window = "day"
scope = "session"

[[breakers]]
name = "providers"
failure_rate = 0.5
min_calls = 2
open_s = 60
"""
QUICK, BEST, OTHER = "gpt-4.1-mini", "gpt-4.1", "claude-haiku-4-5"
#: A conversation that has grown for long.
HISTORY = [
    {"role": role, "content": f"{role} says number {turn}: the parcel is late. " * 8}
    for turn in range(40)
    for role in ("user", "assistant")
]
TOO_LONG = "This model's maximum context length is 128000 tokens."


def answer(text: str, input_tokens: int = 300, output_tokens: int = 100) -> Reply:
    return Reply(text=text, usage=UsageSpec(input_tokens=input_tokens, output_tokens=output_tokens))


def shorter(messages: Sequence[Any], keep: float) -> Sequence[Any]:
    """What matters most of a conversation stays, up to a part of its tokens."""
    return compress(messages, keep, model=QUICK).messages


class Agent:
    """Answers one ticket. Each question is a plain function; what may go wrong stands above it."""

    def __init__(self, openai: OpenAI, anthropic: Anthropic) -> None:
        self._openai, self._anthropic = openai, anthropic
        self.desk = Registry()
        self.desk.tool(category="parcels", permission="read", timeout_s=5, cache_s=60)(track_parcel)
        self.plan = retry("plan", base_s=0.05)(self._ask)
        self.read_order = adaptive("read_order")(self._read_order)
        self.sum_up = adaptive("sum_up", shorten=shorter)(self._ask)
        opinion = other(self._second_opinion, name=QUICK)
        careful = fallback(opinion, breaker=f"anthropic/{OTHER}", name="check")
        self.check = careful(retry("check", attempts=2, base_s=0.05)(self._check))
        cheaper = fallback(other(self._write_quickly, name=QUICK), name="write")
        self.write = cheaper(self._write)

    def _ask(self, *, messages: Any, model: str = QUICK, max_tokens: int = 200) -> str:
        reply = self._openai.chat.completions.create(
            model=model, messages=messages, max_tokens=max_tokens
        )
        return reply.choices[0].message.content or ""

    def _read_order(self, *, messages: Any) -> int:
        text = self._ask(messages=messages)
        try:
            return int(json.loads(text)["order"])
        except (ValueError, KeyError) as error:
            schema = {"type": "object", "properties": {"order": {"type": "integer"}}}
            raise InvalidAnswer(str(error), schema=schema) from error

    def _check(self, claim: str) -> str:
        reply = self._anthropic.messages.create(
            model=OTHER, max_tokens=100, messages=[{"role": "user", "content": f"True? {claim}"}]
        )
        return str(reply.content[0].text)  # type: ignore[union-attr]  # the mock sends text

    def _second_opinion(self, claim: str) -> str:
        return self._ask(messages=[{"role": "user", "content": f"Is this true? {claim}"}])

    def _write(self, notes: str) -> str:
        messages = [{"role": "user", "content": f"Write to the customer: {notes}"}]
        return self._ask(messages=messages, model=BEST, max_tokens=800)

    def _write_quickly(self, notes: str) -> str:
        messages = [{"role": "user", "content": f"Write to the customer, briefly: {notes}"}]
        return self._ask(messages=messages, max_tokens=300)

    def run(self, question: str) -> str:
        asked = {"role": "user", "content": question}
        step("plan", self.plan(messages=[asked]))
        order = step("order", self.read_order(messages=[asked]))
        where = step("parcel", self.desk.call("track_parcel", {"order": order}).unwrap())
        notes = step("summary", self.sum_up(messages=[*HISTORY, asked]))
        for claim in (where, notes):
            step("check", self.check(claim))
        where = self.desk.call("track_parcel", {"order": order}).unwrap()
        return str(step("letter", self.write(f"{where} {notes}")))


def track_parcel(order: int) -> str:
    """Say where the parcel of an order is."""
    return f"The parcel of order {order} is in Bern."


def step(name: str, value: Any) -> Any:
    print(f"{name:8} {value}")
    return value


def script(openai: MockProvider, anthropic: MockProvider) -> None:
    """What the providers do."""
    openai.enqueue(
        Fail(status=429, retry_after_s=0.2),  # too fast
        answer("Find the order, track the parcel, write a letter."),
        answer("Sure! The order is 17."),  # no JSON
        answer('{"order": 17}', 380, 10),
        Fail(status=400, code="context_length_exceeded", message=TOO_LONG),
        answer("The customer has waited for three weeks.", 4000, 120),
        answer("Yes."),
        answer("Yes, it is."),
        answer("Dear customer, your parcel is in Bern and will be with you tomorrow."),
    )
    anthropic.on(OTHER, Fail(status=503))  # down


def main() -> None:
    # What the guard says is printed below; here it would also be logged.
    logging.getLogger("spanledger.guard").setLevel(logging.ERROR)
    with (
        capture_spans(as_global=True) as spans,
        MockProvider() as first,
        MockProvider() as second,
    ):
        install(
            policy=read_policy(Document(text=RULES, data=tomllib.loads(RULES))),
            overrides={"export.mode": "off", "guard.store": "memory"},
        )
        script(first, second)
        agent = Agent(
            OpenAI(base_url=first.openai_base_url, api_key="none", max_retries=0),
            Anthropic(base_url=second.anthropic_base_url, api_key="none", max_retries=0),
        )
        with track.session("ticket-17"), track.agent("support"):
            agent.run("Where is my order 17? I wait for three weeks now.")
        print("\n" + spans.tree(attributes=SHOWN) + "\n")
        report(spans, len(first.requests), len(second.requests))


SHOWN = (
    semconv.RECOVERY_CHOICE, semconv.RECOVERY_FAILURE, semconv.CALL_ATTEMPT, semconv.TOOL_CACHED,
    semconv.GUARD_REASON, semconv.COST_NANO_USD,
)  # fmt: skip


def report(spans: SpanCapture, first: int, second: int) -> None:
    """What the troubles cost: each act of recovery, and the sums."""
    acts = [span for span in spans.spans if semconv.RECOVERY_ACT in span["attributes"]]
    for of in (span["attributes"] for span in acts):
        name, failure = of[semconv.RECOVERY_NAME], of[semconv.RECOVERY_FAILURE]
        choice = of.get(semconv.RECOVERY_CHOICE, "")
        print(f"{of[semconv.RECOVERY_ACT]:8} {name:10} after {failure:16} {choice}")
    again = {span["span_id"] for span in acts}
    calls = [span for span in spans.spans if semconv.COST_NANO_USD in span["attributes"]]
    failed = cost(span for span in calls if span["status"] == "error")
    after = cost(s for s in calls if s["parent_id"] in again and s["status"] != "error")
    waits = sum(float(str(span["attributes"].get(semconv.RECOVERY_WAIT_S, 0))) for span in acts)
    print(f"all calls cost {cost(calls)}: those that failed {failed}, those after them {after}")
    print(f"waited {waits:.1f} s before trying again")
    print(f"requests: {first} to the first provider, {second} to the second")
    print(tokens.session_report("ticket-17").text())
    for key, counter in current().store.counters("ticket"):
        spent, held = (show_amount("cost", n) for n in (counter.spent, counter.reserved))
        print(f"ledger: {key.value} spent {spent} of $0.008, holds {held}")


def cost(calls: Iterable[SpanDict]) -> str:
    """What calls cost together."""
    nano_usd = sum(int(str(call["attributes"][semconv.COST_NANO_USD])) for call in calls)
    return show_amount("cost", nano_usd)


if __name__ == "__main__":
    main()
