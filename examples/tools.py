"""A desk of tools: described for a model, permitted, rate-limited, remembered, chained.

    python examples/tools.py

Runs offline: the model is a mock on this machine that calls two tools, one of them with arguments
that do not fit.
"""

import json
import logging
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from openai import OpenAI

from spanledger import semconv
from spanledger.config import Document
from spanledger.guard import current, read_policy
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider, Reply, ToolCall, UsageSpec
from spanledger.testing.spans import capture_spans
from spanledger.track import agent
from spanledger.track.tools import Registry, permit

RULES = """
[[budgets]]
name = "tool-calls"
metric = "calls"
limit = 20
window = "day"
scope = "tool"
"""
USAGE = UsageSpec(input_tokens=200, output_tokens=30)
SHOWN = (semconv.TOOL_CACHED, semconv.COST_NANO_USD)

desk = Registry()


@desk.tool(category="parcels", permission="read", timeout_s=5, cache_s=60)
def find_parcel(order: Annotated[int, "number of the order"]) -> str:
    """Find the parcel of an order."""
    return f"PX-{order}"


@desk.tool(category="parcels", permission="read", rate="2/minute")
def track_parcel(parcel: str, detail: Literal["short", "long"] = "short") -> str:
    """Say where a parcel is."""
    return f"{parcel} is in Bern ({detail})"


@desk.tool(category="money", permission="write")
def refund(order: int, usd: float) -> str:
    """Pay money back."""
    return f"{usd:.2f} for order {order}"


def model_chooses(client: OpenAI, question: str) -> Sequence[Any]:
    """The calls that the model wants; it is only told of tools that may run here."""
    reply = client.chat.completions.create(
        model="gpt-4.1-mini",
        max_tokens=100,
        messages=[{"role": "user", "content": question}],
        tools=desk.schemas("openai", permission="read"),  # type: ignore[arg-type]  # plain tables
    )
    return reply.choices[0].message.tool_calls or ()


def main() -> None:
    # What the guard says is printed below; here it would also be logged.
    logging.getLogger("spanledger.guard").setLevel(logging.ERROR)
    wanted = (
        ToolCall(name="find_parcel", arguments={"order": 17}),
        ToolCall(name="track_parcel", arguments={"parcel": "PX-17", "detail": "everything"}),
    )
    with capture_spans(as_global=True) as spans, MockProvider() as provider:
        install(
            policy=read_policy(Document(text=RULES, data=tomllib.loads(RULES))),
            overrides={"export.mode": "off", "guard.store": "memory"},
        )
        provider.enqueue(Reply(tool_calls=wanted, usage=USAGE))
        client = OpenAI(base_url=provider.openai_base_url, api_key="none")
        print(json.dumps(desk.schemas("anthropic", category="parcels")[0], indent=1))
        with agent("desk"), permit("read"):
            for call in model_chooses(client, "Where is order 17?"):
                result = desk.call(call.function.name, call.function.arguments)
                print(f"{result.tool}: {result.value if result.success else result.error}")
            chain = desk.chain(["find_parcel", ("track_parcel", {"detail": "long"})], {"order": 17})
            print(f"chain: {chain.value}, {len(chain.steps)} steps, {chain.tokens} tokens")
            for _ in range(2):
                print(f"again: {desk.call('track_parcel', {'parcel': 'PX-17'}).error or 'fine'}")
            print(f"refund: {desk.call('refund', {'order': 17, 'usd': 5}).error}")
        print(spans.tree(attributes=SHOWN))
    for key, counter in sorted(current().store.counters("tool-calls")):
        print(f"ledger: {key.value} {counter.spent} calls")


if __name__ == "__main__":
    main()
