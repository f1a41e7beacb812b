"""A gate over a mock provider, with its spans and its ledger at hand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spanledger import guard, semconv
from spanledger.guard import Budget, Policy
from spanledger.guard.stores import MemoryStore
from spanledger.instrumentation import install, uninstall
from spanledger.testing.providers import MockProvider
from spanledger.testing.spans import SpanCapture, SpanDict, capture_spans

_SETTINGS = {
    "export.mode": "off",
    "guard.store": "memory",
    "pricing.overrides": str(Path(__file__).with_name("prices.toml")),
}
RECORDS = {"call", "attempt", "unsent"}

#: What a record means that does not say otherwise.
UNSAID = {semconv.CALL_ATTEMPT: 1, semconv.USAGE_SOURCE: "provider"}

#: Wide enough for every call here: the ledger then says what was charged.
COUNTING = Policy(
    (
        Budget("cost", "cost", 10**15),
        Budget("tokens", "tokens", 10**12),
        Budget("calls", "calls", 10**6),
    )
)


@dataclass
class Gate:
    """What a test looks at after its calls."""

    provider: MockProvider
    capture: SpanCapture

    @property
    def spans(self) -> list[SpanDict]:
        return self.capture.spans

    @property
    def records(self) -> list[SpanDict]:
        """The spans that are call records."""
        return [s for s in self.spans if s["attributes"].get(semconv.BILLING) in RECORDS]

    @property
    def record(self) -> SpanDict:
        """The one call record."""
        (record,) = self.records
        return record

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the one call record, with those that go without saying."""
        return {**UNSAID, **self.record["attributes"]}

    @property
    def open(self) -> int:
        """Reservations that nobody has settled."""
        store = guard.current().store
        assert isinstance(store, MemoryStore)
        return store.open_reservations()

    def spent(self, metric: str) -> int:
        """What the budget of one metric was charged."""
        (state,) = [s for s in guard.current().state(_CALL) if s.budget.metric == metric]
        assert state.reserved == 0 or self.open
        return state.spent

    def assert_settled_once(self) -> None:
        """Nothing is open, no span is left behind, and ledger and records say the same."""
        assert self.open == 0
        assert self.capture.open_spans == []
        self.assert_books_agree(self.records)

    def assert_books_agree(self, records: Sequence[SpanDict]) -> None:
        found = [record["attributes"] for record in records]
        sent = [a for a in found if a[semconv.BILLING] != "unsent"]
        assert self.spent("calls") == len(sent)
        assert self.spent("tokens") == sum(tokens_of(a) for a in sent)
        assert self.spent("cost") == sum(_whole(a, semconv.COST_NANO_USD) for a in sent)


_CALL = guard.Call("look", "openai", "gpt-4o-mini", "chat", guard.Estimate(0, 0, 0, "none"))


def tokens_of(attributes: dict[str, Any]) -> int:
    return _whole(attributes, semconv.USAGE_INPUT_TOKENS) + _whole(
        attributes, semconv.USAGE_OUTPUT_TOKENS
    )


def _whole(attributes: dict[str, Any], name: str) -> int:
    value = attributes.get(name, 0)
    assert isinstance(value, int)
    return value


@contextmanager
def gated(provider: MockProvider, policy: Policy = COUNTING, **overrides: Any) -> Iterator[Gate]:
    """The gate in this process, with `policy`; overrides are settings, ``guard__lease_s=1``."""
    chosen = {name.replace("__", "."): value for name, value in overrides.items()}
    settings = {**_SETTINGS, **chosen}
    with capture_spans(as_global=True) as capture:
        try:
            made = install(environ={}, overrides=settings, policy=policy)
            assert made is not None
            assert made.config_error is None
            yield Gate(provider, capture)
        finally:
            uninstall()


def limited(metric: guard.decision.Metric, limit: int) -> Policy:
    """A policy of one global budget."""
    return Policy((Budget("small", metric, limit),))
