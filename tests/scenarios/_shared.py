"""What the scenarios share: a model whose price is plain, and a gate over any guard or store."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import openai

from spanledger import guard
from spanledger.guard import Guard, Policy, Store
from spanledger.guard.events import GuardEvent
from spanledger.instrumentation import install, uninstall
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from spanledger.testing.spans import capture_spans
from tests.gate._gate import Gate, gated

#: Its input is free, so that what a call may cost is its output limit and nothing else.
DEMO = "demo"
#: $10 for a million tokens.
DEMO_NANO_USD = 10_000
DEMO_PRICES = """
[[price]]
provider = "*"
model = "demo"
input_usd_per_mtok = 0
output_usd_per_mtok = 10
"""
USD = 1_000_000_000
SAY = [{"role": "user", "content": "count these four words"}]


def client(provider: MockProvider, **options: Any) -> openai.OpenAI:
    """A client that does not retry unless it is told to."""
    if options:
        return openai.OpenAI(**_options(provider.openai_base_url, options))
    return _plain_client(provider.openai_base_url)


@cache
def _plain_client(base_url: str) -> openai.OpenAI:
    # To make one takes longer than its calls here.
    return openai.OpenAI(**_options(base_url, {}))


def async_client(provider: MockProvider, **options: Any) -> openai.AsyncOpenAI:
    """The same for coroutines."""
    return openai.AsyncOpenAI(**_options(provider.openai_base_url, options))


def _options(base_url: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"base_url": base_url, "api_key": "none", "max_retries": 0, **options}


def ask(one: Any, **request: Any) -> Any:
    """One chat completion of the demo model; something to await if the client is async."""
    body = {"model": DEMO, "messages": SAY, "max_tokens": 100, **request}
    return one.chat.completions.create(**body)


def used(output_tokens: int, **counts: int) -> Reply:
    """An answer that used so much."""
    counts = {"input_tokens": 10, "output_tokens": output_tokens, **counts}
    return Reply(text="Yes.", usage=UsageSpec(**counts))


@contextmanager
def held_by(provider: MockProvider, held: Guard) -> Iterator[Gate]:
    """The gate in this process, asking a guard that the test made (with clocks of its own)."""
    with gated(provider, Policy()) as gate:
        guard.use(held)
        yield gate


@contextmanager
def installed(environ: dict[str, str]) -> Iterator[Guard]:
    """Spanledger in this process, configured by nothing but these variables."""
    # With a provider of the test's own: one that is made for want of any would stay.
    with capture_spans(as_global=True):
        made = install(environ={"SPANLEDGER_EXPORT": "off", **environ})
        assert made is not None
        try:
            yield guard.current()
        finally:
            uninstall()


def books(store: Store | None = None) -> dict[tuple[str, str], tuple[int, int]]:
    """Spent and reserved by rule and value; windows are added up."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for key, counter in (store or guard.current().store).counters():
        spent, reserved = sums.get((key.rule, key.value), (0, 0))
        sums[key.rule, key.value] = spent + counter.spent, reserved + counter.reserved
    return sums


class Events:
    """A guard listener that remembers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[GuardEvent] = []

    def __call__(self, event: GuardEvent, /) -> None:
        with self._lock:
            self._seen.append(event)

    def of(self, kind: str) -> list[GuardEvent]:
        """The events of one kind, in order."""
        with self._lock:
            return [event for event in self._seen if event.kind == kind]
