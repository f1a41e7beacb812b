"""Putting our processors into tracer providers: the present one, and every one made later."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import wrapt
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from spanledger.processors.sampling import RecordCallsSampler

_log = logging.getLogger("spanledger.boot")


def current_provider() -> TracerProvider | None:
    """The SDK provider of this process, if there is one (it may be a vendor's own kind)."""
    provider = trace.get_tracer_provider()
    return provider if isinstance(provider, TracerProvider) else None


_making = threading.Lock()
_make_missing = False


def make_missing(wanted: bool) -> None:
    """Whether `ensure` may make a provider for a process that has none."""
    global _make_missing
    _make_missing = wanted


def ensure() -> None:
    """Make the process's tracer provider if it has none and one is wanted."""
    global _make_missing
    if not _make_missing:
        return
    with _making:
        if _make_missing and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(TracerProvider())
        _make_missing = False


def prepend(provider: TracerProvider, processors: Sequence[SpanProcessor]) -> None:
    """Put `processors` first, so that they see a span before anything exports it."""
    multi = getattr(provider, "_active_span_processor", None)
    lock, present = getattr(multi, "_lock", None), getattr(multi, "_span_processors", None)
    if lock is None or not isinstance(present, tuple):
        # Another kind of provider: the order does not matter for enrichment, which happens
        # while the span is open or in the wrapper of `Span.end`.
        for processor in processors:
            provider.add_span_processor(processor)
        return
    with lock:
        multi._span_processors = (*processors, *multi._span_processors)  # type: ignore[union-attr]  # checked by `present`


def processors_of(provider: TracerProvider) -> tuple[SpanProcessor, ...]:
    """The processors of a provider, in their order."""
    multi = getattr(provider, "_active_span_processor", None)
    return tuple(getattr(multi, "_span_processors", ()))


def remove(provider: TracerProvider, unwanted: Callable[[SpanProcessor], bool]) -> list[Any]:
    """Take processors out of a provider; those that were taken out, for their owner to stop."""
    multi = getattr(provider, "_active_span_processor", None)
    lock = getattr(multi, "_lock", None)
    if lock is None:
        return []
    with lock:
        present = multi._span_processors  # type: ignore[union-attr]  # it has a lock, so it is one
        removed = [processor for processor in present if unwanted(processor)]
        multi._span_processors = tuple(p for p in present if p not in removed)  # type: ignore[union-attr]  # as above
    return removed


def record_calls(provider: TracerProvider) -> None:
    """Have model and tool calls recorded whatever the provider's sampler says."""
    if not isinstance(provider.sampler, RecordCallsSampler):
        provider.sampler = RecordCallsSampler(provider.sampler)


def on_new_provider(act: Callable[[TracerProvider], None]) -> None:
    """Call `act` with every provider that is made from now on."""
    if _watched():
        return

    def made(wrapped: Any, provider: TracerProvider, args: Any, kwargs: Any) -> None:
        wrapped(*args, **kwargs)
        try:
            act(provider)
        except Exception:  # noqa: BLE001 - the host's provider must be made whatever happens
            _log.exception("Spanledger could not be added to a tracer provider")

    wrapt.wrap_function_wrapper(TracerProvider, "__init__", made)


def forget_new_providers() -> None:
    """Undo `on_new_provider`."""
    if _watched():
        original = TracerProvider.__dict__["__init__"].__wrapped__
        TracerProvider.__init__ = original  # type: ignore[method-assign]  # undoing the wrap


def _watched() -> bool:
    # Asked of the class's own table: `TracerProvider.__init__` would be bound, another type.
    return isinstance(TracerProvider.__dict__["__init__"], wrapt.FunctionWrapper)
