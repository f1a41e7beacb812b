"""An agent counts its own tokens: by session, tool and operation, and is told in time.

    python examples/tokens.py

Runs offline: the provider is a mock on this machine. Calls of the model are counted by themselves;
what no gate sees (here: an index that reads texts) is tracked by hand, and charges nothing.
"""

import logging
import tomllib

from openai import OpenAI

from spanledger import semconv, track
from spanledger.config import Document
from spanledger.guard import current, read_policy
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from spanledger.testing.spans import capture_spans
from spanledger.track import tokens

RULES = """
[[budgets]]
name = "tokens"
metric = "tokens"
limit = 100000
window = "day"
"""
ANSWER = Reply(text="It is in Bern.", usage=UsageSpec(input_tokens=400, output_tokens=20))
PAGES = ("Parcels for Bern leave at noon. " * 20, "A parcel that is late is paid back. " * 30)


def main() -> None:
    # What the guard says is printed below; here it would also be logged.
    logging.getLogger("spanledger.guard").setLevel(logging.ERROR)
    tokens.configure(mode="detailed", capacity=1000)
    tokens.on_threshold(
        800, lambda crossed: print(f"{crossed.name} has used {crossed.tokens} tokens"), level="tool"
    )
    with capture_spans(as_global=True) as spans, MockProvider(ANSWER) as provider:
        install(
            policy=read_policy(Document(text=RULES, data=tomllib.loads(RULES))),
            overrides={"export.mode": "off", "guard.store": "memory"},
        )
        client = OpenAI(base_url=provider.openai_base_url, api_key="none")

        @track.tool
        def index(pages: tuple[str, ...]) -> int:
            """Read pages with a model of our own."""
            return sum(tokens.track_text(page, operation="index") for page in pages)

        @track.tool
        def ask(question: str) -> str:
            """Ask the model."""
            reply = client.chat.completions.create(
                model="gpt-4.1-mini",
                max_tokens=100,
                messages=[{"role": "user", "content": question}],
            )
            return reply.choices[0].message.content or ""

        with track.session("ticket-17"), tokens.track_context("answer") as used:
            print(f"indexed {index(PAGES)} tokens")
            for question in ("Where is it?", "When does it leave?"):
                ask(question)
            used.add(input_tokens=50)
        print(f"the block used {used.total_tokens} tokens, in and out")
        print(tokens.report().text())
        print(tokens.session_report("ticket-17").text())
        last = [f"{one.tool}/{one.operation} {one.input_tokens}" for one in tokens.recent(5)]
        print(f"last operations: {', '.join(last)}")
        other = tokens.Tracker()
        other.import_json(tokens.export_json())
        print(f"read back: {other.report().total.total_tokens} tokens")
        print(spans.tree(attributes=(semconv.USAGE_INPUT_TOKENS, semconv.COST_NANO_USD)))
    for _key, counter in current().store.counters("tokens"):
        print(f"ledger: {counter.spent} tokens, of the calls of the model alone")


if __name__ == "__main__":
    main()
