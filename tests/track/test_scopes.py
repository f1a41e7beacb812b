"""Whom a call is for, wherever it is made."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

from spanledger import track
from spanledger.testing.spans import SpanCapture
from spanledger.track import Scope, current_scope


@pytest.fixture
def _threading_instrumented() -> Iterator[None]:
    instrumentor = ThreadingInstrumentor()
    instrumentor.instrument()
    yield
    instrumentor.uninstrument()


def test_outside_of_everything_nobody_is_meant() -> None:
    """Empty, not an error."""
    assert current_scope() == Scope()
    assert current_scope().agent is None


def test_scopes_nest_and_end(captured_spans: SpanCapture) -> None:
    """Session, agent, sub-agent: the path from the outermost to the one that acts."""
    with track.session("ticket-4711", user="ada"):
        assert current_scope() == Scope("ticket-4711", (), "ada")
        with track.agent("planner"):
            with track.agent("writer"):
                assert current_scope() == Scope("ticket-4711", ("planner", "writer"), "ada")
                assert current_scope().agent == "writer"
            assert current_scope().agents == ("planner",)
    assert current_scope() == Scope()
    assert captured_spans.open_spans == []


def test_a_new_session_begins_without_the_agents_of_the_outer_one(
    captured_spans: SpanCapture,
) -> None:
    """The user stays who they are."""
    with track.user("ada"), track.session("outer"), track.agent("planner"):
        with track.session("inner"):
            assert current_scope() == Scope("inner", (), "ada")
        with track.session("other", user="bob"):
            assert current_scope().user == "bob"


def test_an_operation_changes_nobody(captured_spans: SpanCapture) -> None:
    """It only has a span of its own."""
    with track.agent("planner"):
        inside = current_scope()
        with track.operation("look around"):
            assert current_scope() == inside


def test_nothing_of_ours_travels_to_third_parties(captured_spans: SpanCapture) -> None:
    """Baggage is sent to every server that the program talks to, a model's provider included."""
    with track.session("ticket-4711", user="ada"), track.agent("planner"):
        assert dict(baggage.get_all()) == {}
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        assert carrier.keys() <= {"traceparent", "tracestate"}
        assert not any(word in str(carrier) for word in ("ticket", "ada", "planner"))


async def test_tasks_do_not_see_each_others_scopes(captured_spans: SpanCapture) -> None:
    """Each of them enters and leaves its own."""
    entered = asyncio.Barrier(8)

    async def work(number: int) -> tuple[str, ...]:
        with track.agent(f"agent-{number}"):
            await entered.wait()
            return current_scope().agents

    with track.agent("planner"):
        paths = await asyncio.gather(*(work(number) for number in range(8)))
    assert paths == [("planner", f"agent-{number}") for number in range(8)]
    parents = {
        span["parent"] for span in captured_spans.spans if span["name"] != "invoke_agent planner"
    }
    assert parents == {"invoke_agent planner"}


def _in_thread() -> Scope:
    seen: list[Scope] = []
    thread = threading.Thread(target=lambda: seen.append(current_scope()))
    thread.start()
    thread.join()
    return seen[0]


def test_a_plain_thread_starts_with_nobody(captured_spans: SpanCapture) -> None:
    """Context variables are not inherited by threads."""
    with track.agent("planner"):
        assert _in_thread() == Scope()


@pytest.mark.usefixtures("_threading_instrumented")
def test_an_instrumented_thread_belongs_to_who_started_it(captured_spans: SpanCapture) -> None:
    """OpenTelemetry's own instrumentation of `threading` carries the scope."""
    with track.agent("planner"):
        assert _in_thread() == Scope(agents=("planner",))


def test_a_scope_can_be_carried_by_hand(captured_spans: SpanCapture) -> None:
    """To a queue's worker, for example."""
    carried = track.in_scope(Scope("s", ("planner",)))
    assert current_scope(carried) == Scope("s", ("planner",))
    assert current_scope() == Scope()
    token = context.attach(carried)
    try:
        with track.agent("writer"):
            assert current_scope().agents == ("planner", "writer")
    finally:
        context.detach(token)


@pytest.mark.parametrize("bad", ["", None, 5])
def test_a_name_that_is_no_text_is_refused(bad: object) -> None:
    """By the name of what it should be."""
    with pytest.raises(TypeError, match="the session id must be a text that is not empty"):
        track.session(bad)  # type: ignore[arg-type]  # what must not work
    with pytest.raises(TypeError, match="the agent name"):
        track.agent(bad)  # type: ignore[arg-type]  # what must not work
    with pytest.raises(TypeError, match="the user id"):
        track.user(bad)  # type: ignore[arg-type]  # what must not work
    with pytest.raises(TypeError, match="the operation name"):
        track.operation(bad)  # type: ignore[arg-type]  # what must not work
