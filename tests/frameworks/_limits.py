"""An example's agent under limits on agents and tools: `_limits.py EXAMPLE [always_off]`.

Prints what the caller saw, how often the provider was asked, and the counters of the ledger.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from spanledger.guard import Budget, Policy, SpanledgerRefusal, current
from spanledger.instrumentation import install
from spanledger.testing.providers import MockProvider

EXAMPLES = Path(__file__).parents[2] / "examples" / "frameworks"
RULES = Policy(
    (
        Budget("agent", "calls", 2, scope="agent"),
        Budget("tool", "calls", 9, scope="tool"),
        Budget("session", "calls", 9, scope="session"),
    )
)


def main(name: str, *sampler: str) -> None:
    sys.path.insert(0, str(EXAMPLES))
    offline, example = importlib.import_module("_offline"), importlib.import_module(name)
    if sampler:
        trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))
    install(overrides={"export.mode": "off", "guard.store": "memory"}, policy=RULES)
    offline.instrument(getattr(example, "INSTRUMENTORS", ()))
    with MockProvider(offline.ANSWER) as provider:
        provider.enqueue(*example.REPLIES)
        outcome = _outcome(lambda: example.work(provider.openai_base_url))
        store: Any = current().store
        spent = {f"{key.rule} {key.value}": counter.spent for key, counter in store.counters()}
        print(json.dumps({"outcome": outcome, "sent": provider.calls(), "spent": spent}))


def _outcome(work: Any) -> str:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - whatever a framework makes of a refusal
        return "refused" if _is_refusal(error) else f"{type(error).__name__}: {error}"
    return "ok"


def _is_refusal(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, SpanledgerRefusal):
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    main(*sys.argv[1:])
