"""A hard daily budget that eight worker processes share, to the cent.

    python examples/shared_budget.py

Eight processes ask a mock provider as fast as they can. All of them count in one SQLite file, so
together they stop where the budget ends: no call more is sent, however they race.
"""

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from spanledger.guard import SpanledgerRefusal, show_amount
from spanledger.guard.stores import SqliteStore
from spanledger.testing.providers import MockProvider, Reply, UsageSpec

WORKERS = 8
LIMIT_USD = "0.02"
MODEL = "gpt-4o-mini"
# 2000 tokens in at $0.15 and 500 out at $0.60 for a million: $0.0006 a call, so 33 calls fit.
REPLY = Reply(text="Done.", usage=UsageSpec(input_tokens=2000, output_tokens=500))


def work() -> None:
    """One worker: asks until the budget says no."""
    import openai

    from spanledger.instrumentation import install

    # The refusal is printed below; the log would say it a second time.
    logging.getLogger("spanledger.guard").setLevel(logging.CRITICAL)
    install(overrides={"export.mode": "off"})
    client, calls = openai.OpenAI(), 0
    prompt = "word " * 1500
    try:
        while True:
            client.chat.completions.create(
                model=MODEL, max_tokens=500, messages=[{"role": "user", "content": prompt}]
            )
            calls += 1
    except SpanledgerRefusal as refusal:
        print(f"worker {os.getpid()}: {calls} calls, then: {refusal}")


def main() -> None:
    """Start the provider and the workers, then look into the ledger."""
    with tempfile.TemporaryDirectory() as folder, MockProvider() as provider:
        provider.on(MODEL, REPLY)
        ledger = Path(folder) / "ledger" / "spend.sqlite"
        environment = {
            **os.environ,
            "OPENAI_BASE_URL": provider.openai_base_url,
            "OPENAI_API_KEY": "none",
            "SPANLEDGER_STORE": f"sqlite:{ledger}",
            "SPANLEDGER_BUDGET_USD": LIMIT_USD,
            "SPANLEDGER_BUDGET_WINDOW": "day",
        }
        workers = [
            subprocess.Popen([sys.executable, __file__, "--worker"], env=environment)
            for _ in range(WORKERS)
        ]
        for worker in workers:
            worker.wait()
        store = SqliteStore(ledger)
        spent = sum(counter.spent for _key, counter in store.counters("environment-cost"))
        store.close()
        print(f"{provider.calls()} calls reached the provider.")
        print(f"spent {show_amount('cost', spent)} of ${LIMIT_USD}, by {WORKERS} processes.")


if __name__ == "__main__":
    work() if "--worker" in sys.argv else main()
