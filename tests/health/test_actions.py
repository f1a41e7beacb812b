"""What a process does for itself when it is unwell."""

import logging
import threading
from collections.abc import Iterator

import pytest

from spanledger import guard, semconv
from spanledger.guard import Guard
from spanledger.health import (
    Action,
    Report,
    Vitals,
    Watch,
    drop_caches,
    open_breaker,
    register_cache,
    trim_memory,
)
from spanledger.health._actions import _caches
from spanledger.health.scoring import SignName, judge
from spanledger.testing.clock import TickingClock
from spanledger.testing.spans import capture_spans


class Patient:
    """A report that a test makes better and worse."""

    def __init__(self) -> None:
        self.signs: dict[SignName, float | None] = {}

    def __call__(self) -> Report:
        judged = judge(self.signs)
        return Report(judged.score, judged.state, judged.findings, Vitals(), ())


@pytest.fixture
def patient() -> Patient:
    return Patient()


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture
def caches() -> Iterator[None]:
    yield
    _caches.clear()


def _noting(done: list[str], name: str = "act", sign: SignName = "memory") -> Action:
    def note(what: str) -> str:
        done.append(what)
        return what

    return Action(name, sign, lambda: note("do"), lambda: note("undo"))


def test_an_action_is_done_when_its_sign_is_bad_and_undone_when_it_is_good(
    patient: Patient, clock: TickingClock
) -> None:
    done: list[str] = []
    watch = Watch(_noting(done), again_s=60.0, look=patient, clock=clock.monotonic)
    for memory in (0.5, 0.9):  # good, strained
        patient.signs["memory"] = memory
        watch.once()
    assert done == []
    patient.signs["memory"] = 1.0
    watch.once()
    watch.once()
    assert done == ["do"]
    clock.advance(60.0)
    watch.once()
    assert done == ["do", "do"]
    patient.signs["memory"] = 0.9  # better, but not good: no flapping
    watch.once()
    patient.signs["memory"] = 0.5
    watch.once()
    watch.once()
    assert done == ["do", "do", "undo"]


def test_each_act_is_logged_and_is_an_event(
    patient: Patient, caplog: pytest.LogCaptureFixture
) -> None:
    patient.signs["memory"] = 1.0
    caplog.set_level(logging.WARNING)
    with capture_spans(as_global=True) as capture:
        agent = capture.tracer().start_as_current_span("agent")
        with agent:
            Watch(trim_memory(), look=patient).once()
    assert "trim_memory, because of memory" in caplog.text
    (span,) = capture.named("agent")
    assert [event["name"] for event in span["events"]] == [semconv.HEALTH_EVENT_NAME]


def test_an_action_that_raises_does_not_keep_others_from_acting(
    patient: Patient, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> str:
        raise OSError("no")

    done: list[str] = []
    patient.signs["memory"] = 1.0
    Watch(Action("broken", "memory", fails), _noting(done), look=patient).once()
    assert done == ["do"]
    assert "broken failed" in caplog.text


def test_registered_caches_are_dropped(patient: Patient, caches: None) -> None:
    cache = {"a": 1}
    register_cache("answers", cache.clear)
    patient.signs["memory"] = 1.0
    Watch(drop_caches(), look=patient).once()
    assert cache == {}


def test_a_breaker_is_held_open_while_calls_fail(patient: Patient) -> None:
    before = guard.current()
    held = guard.use(Guard())
    try:
        watch = Watch(open_breaker("openai/gpt-4o"), look=patient)
        patient.signs["failures"] = 1.0
        watch.once()
        assert held.breakers.forced() == {"openai/gpt-4o": "open"}
        watch.stop()
        assert held.breakers.forced() == {}
    finally:
        guard.use(before)


def test_a_watch_looks_by_itself_and_ends(patient: Patient) -> None:
    done: list[str] = []
    patient.signs["memory"] = 1.0
    looked = threading.Event()

    def look() -> Report:
        looked.set()
        return patient()

    with Watch(_noting(done), every_s=0.001, look=look):
        assert looked.wait(10.0)
    assert done[-1:] != ["do"]
    with pytest.raises(ValueError, match="every_s"):
        Watch(every_s=0)
