"""Collecting errors keeps nothing alive and breaks nothing."""

import gc
import sys
import weakref
from typing import Any

from opentelemetry.sdk.trace import Span as SdkSpan

from spanledger import semconv, track
from spanledger.processors import errors, span_end
from spanledger.testing.spans import SpanCapture
from tests.processors import _failing
from tests.processors._errors import collecting, contexts, fail, redact, spans

__all__ = ["collecting", "spans"]


def test_nothing_of_a_failure_is_kept_alive(spans: SpanCapture) -> None:
    """Without the garbage collector: there are no circles to be found."""

    class Big:
        pass

    gone: list[weakref.ref[Big]] = []

    def holds() -> None:
        big = Big()
        gone.append(weakref.ref(big))
        raise ValueError("held")

    gc.collect()
    gc.disable()
    try:
        try:
            with track.operation("work"):
                holds()
        except ValueError:
            pass
        assert gone[0]() is None
    finally:
        gc.enable()
    assert len(contexts(spans.spans[0])) == 1


def test_a_function_that_goes_on_keeps_nothing_that_it_has_let_go(spans: SpanCapture) -> None:
    """Before Python 3.13 a frame keeps the table of variables that was asked of it."""

    class Big:
        pass

    big: Big | None = Big()
    gone = weakref.ref(big)
    kept = locals() if sys.gettrace() else None  # a debugger's own table is not ours to empty
    try:
        with track.operation("work"):
            raise ValueError("held")
    except ValueError:
        pass
    big = None
    assert (
        contexts(spans.spans[0])[0]["locals"][0]["variables"]["big"] == "<" + Big.__qualname__ + ">"
    )
    assert kept is not None or gone() is None


def test_a_table_of_variables_that_the_program_holds_is_left_alone(spans: SpanCapture) -> None:
    def holds() -> dict[str, Any]:
        word = "bern"
        table = locals()
        try:
            with track.operation("work"):
                raise ValueError(word)
        except ValueError:
            return table

    assert holds()["word"] == "bern"
    assert len(contexts(spans.spans[0])) == 1


def test_aredaction_that_fails_lets_nothing_out_and_breaks_nothing(spans: SpanCapture) -> None:
    def broken(text: str) -> str:
        raise RuntimeError("ours")

    errors.use(errors.ErrorRecorder(broken))
    error = fail(_failing.plain)
    assert isinstance(error, LookupError)
    assert contexts(spans.spans[0]) == []
    assert semconv.ERROR_ID in spans.spans[0]["attributes"]


def test_a_program_that_fails_in_a_tight_loop_goes_on(spans: SpanCapture) -> None:
    """After a burst errors have ids only, until time has passed."""
    now = [0.0]
    pace = errors.Pace(burst=3, per_s=1)
    errors.use(errors.ErrorRecorder(redact, clock=lambda: now[0], pace=pace))
    for _ in range(5):
        fail(_failing.plain)
    now[0] = 2.0
    for _ in range(3):
        fail(_failing.plain)
    told = [len(contexts(span)) for span in spans.named("work")]
    assert told == [1, 1, 1, 0, 0, 1, 1, 0]
    assert all(semconv.ERROR_ID in span["attributes"] for span in spans.named("work"))


def test_a_loop_that_records_errors_on_one_span_fills_it_with_eight(spans: SpanCapture) -> None:
    with track.operation("work") as tracked:
        for i in range(20):
            tracked.span.record_exception(ValueError(i))
    assert len(contexts(spans.spans[0])) == 8


def test_switched_off_nothing_is_collected(spans: SpanCapture) -> None:
    errors.use(None)
    fail(_failing.plain)
    assert contexts(spans.spans[0]) == []
    assert [event["name"] for event in spans.spans[0]["events"]] == ["exception"]


def test_the_sdks_own_method_is_put_back() -> None:
    wrapped = SdkSpan.__dict__["record_exception"]
    span_end.uninstall()
    assert SdkSpan.__dict__["record_exception"] is wrapped.__wrapped__
    span_end.install()
