"""A stream is cut when its budget is used up, and what came until then stays readable.

    python examples/stream_cut.py

Runs offline: the provider is a mock on this machine. The request sets no output limit and no
catalogue knows the model, so nobody can say beforehand how long the answer will be. Spanledger
holds 4096 tokens for it, counts along, asks the budget for more, and ends the stream when
there is no more.
"""

import logging
import tomllib

from openai import OpenAI

from spanledger.config import Document
from spanledger.guard import BudgetExceeded, current, read_policy
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider, Reply

RULES = """
[[budgets]]
name = "answers"
metric = "tokens"
limit = 6000
window = "total"
"""

#: A model that does not come to an end: about 20 000 bytes of text.
ENDLESS = Reply(text="and so on " * 2000, chunks=400, chunk_delay_s=0.002)


def main() -> None:
    # What the guard says is printed below; here it would also be logged.
    logging.getLogger("spanledger.guard").setLevel(logging.ERROR)
    install(
        policy=read_policy(Document(text=RULES, data=tomllib.loads(RULES))),
        overrides={"export.mode": "off", "guard.store": "memory"},
    )
    with MockProvider(ENDLESS) as provider:
        client = OpenAI(base_url=provider.openai_base_url, api_key="none")
        print("asking a model without an output limit, under a budget of 6000 tokens …")
        stream = client.chat.completions.create(
            model="our-own-7b",
            messages=[{"role": "user", "content": "Tell me everything."}],
            stream=True,
        )
        shown = 0
        try:
            for chunk in stream:
                if chunk.choices:
                    shown += len(chunk.choices[0].delta.content or "")
            print("the answer came to its end")
        except BudgetExceeded as refusal:
            print(f"cut after {shown} characters: {refusal}")
            print(f"reason: {refusal.reason}, rule: {refusal.refusal.rule}")
            print(f"the answer so far: {refusal.partial[:40]!r} … ({len(refusal.partial)} chars)")
        provider.wait_idle()
        (request,) = provider.requests
        print(f"the provider was stopped after {request.chunks_sent} of about 400 pieces")
    for key, counter in current().store.counters():
        print(f"budget {key.rule!r}: {counter.spent} tokens spent, {counter.reserved} still held")


if __name__ == "__main__":
    main()
