"""Getting into tracer providers, those of now and those of later."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.util._once import Once

from spanledger.processors import providers


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    providers.forget_new_providers()


def _provider() -> TracerProvider:
    return TracerProvider(shutdown_on_exit=False)


def test_our_processors_come_first() -> None:
    """So that an exporter sees what they set."""
    provider, theirs, ours = _provider(), SpanProcessor(), SpanProcessor()
    provider.add_span_processor(theirs)
    providers.prepend(provider, [ours])
    assert providers.processors_of(provider) == (ours, theirs)


def test_a_provider_of_another_make_gets_them_all_the_same() -> None:
    """In whatever order it keeps them."""
    added: list[Any] = []

    class Vendors(TracerProvider):
        def __init__(self) -> None:
            self._active_span_processor = None  # type: ignore[assignment]  # another make

        def add_span_processor(self, span_processor: SpanProcessor) -> None:
            added.append(span_processor)

    ours = SpanProcessor()
    providers.prepend(Vendors(), [ours])
    assert added == [ours]
    assert providers.processors_of(Vendors()) == ()
    assert providers.remove(Vendors(), lambda _: True) == []


def test_processors_can_be_taken_out() -> None:
    """Only those that are meant."""
    provider, one, other = _provider(), SpanProcessor(), SpanProcessor()
    providers.prepend(provider, [one, other])
    assert providers.remove(provider, lambda processor: processor is one) == [one]
    assert providers.processors_of(provider) == (other,)


def test_a_provider_that_is_made_later_is_known() -> None:
    """By whoever makes it."""
    seen: list[TracerProvider] = []
    providers.on_new_provider(seen.append)
    made = _provider()
    assert seen == [made]


def test_watching_twice_is_watching_once_and_can_be_undone_whole() -> None:
    """Also over many rounds."""
    original = TracerProvider.__dict__["__init__"]
    for _ in range(3):
        seen: list[TracerProvider] = []
        providers.on_new_provider(seen.append)
        providers.on_new_provider(seen.append)
        _provider()
        assert len(seen) == 1
        providers.forget_new_providers()
        assert TracerProvider.__dict__["__init__"] is original


def test_a_failure_of_ours_does_not_keep_a_provider_from_being_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged."""

    def fails(_provider: TracerProvider) -> None:
        raise RuntimeError("ours")

    providers.on_new_provider(fails)
    assert _provider().get_tracer("t").start_span("works").is_recording()
    assert "could not be added to a tracer provider" in caplog.text


@pytest.fixture
def _no_provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process in which nobody has set a provider yet."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    yield
    providers.make_missing(False)
    if (made := providers.current_provider()) is not None:
        made.shutdown()


@pytest.mark.usefixtures("_no_provider")
def test_a_missing_provider_is_made_once_and_only_if_it_is_wanted() -> None:
    """At the first call, so that the program has time to set its own."""
    providers.ensure()
    assert providers.current_provider() is None
    providers.make_missing(True)
    providers.ensure()
    made = providers.current_provider()
    assert made is not None
    providers.ensure()
    assert providers.current_provider() is made


@pytest.mark.usefixtures("_no_provider")
def test_a_provider_that_the_program_set_is_left_alone() -> None:
    """The first one wins, and that was the program's."""
    providers.make_missing(True)
    theirs = _provider()
    trace.set_tracer_provider(theirs)
    providers.ensure()
    assert providers.current_provider() is theirs
