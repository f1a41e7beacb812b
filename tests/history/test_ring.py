"""What a process remembers of its own actions, with the real spans of `track`."""

import threading

import pytest

from spanledger import history, semconv, track
from spanledger.history import Ring, UnknownAction
from spanledger.processors import history as remembering_spans
from spanledger.testing.spans import SpanCapture
from spanledger.track import tool

pytestmark = pytest.mark.usefixtures("remembering")


@tool
def search(words: str, top: int = 3) -> list[str]:
    return [f"{words} {number}" for number in range(top)]


@tool
def broken(words: str) -> str:
    raise ValueError(f"no {words} here")


def test_a_process_without_a_ring_has_no_last_action() -> None:
    remembering_spans.use(None)
    assert history.last_action() is None
    with pytest.raises(UnknownAction, match="no action is recorded"):
        history.explain_last_action()


def test_the_last_action_tells_command_action_result_and_status() -> None:
    with track.session("s1"), track.agent("clerk"):
        with track.operation("answer", command="Where is parcel 17?"):
            search("parcel 17", top=1)
        last = history.last_action()
    assert last is not None
    assert (last.kind, last.name, last.status) == ("tool", "search", "success")
    assert (last.session, last.agent) == ("s1", "clerk")
    assert last.command == "Where is parcel 17?"
    assert last.arguments == '{"words": "parcel 17", "top": 1}'
    assert last.result == '["parcel 17 0"]'


def test_a_failure_is_remembered_with_what_it_said() -> None:
    with pytest.raises(ValueError, match="here"):
        broken("tides")
    last = history.last_action()
    assert last is not None
    assert (last.status, last.error_type) == ("error", "ValueError")
    assert "no tides here" in last.message


def test_long_results_are_cut_and_secrets_are_cut_out_of_commands_arguments_and_results() -> None:
    with track.operation("answer", command="open sesame"):
        search("sesame " * 400, top=1)
    last = history.last_action()
    assert last is not None
    assert last.command == "open [cut]"
    assert last.arguments is not None
    assert last.result is not None
    assert "sesame" not in last.arguments + last.result
    assert len(last.result) <= 501
    assert last.result.endswith("…")


def test_a_secret_at_the_cut_is_not_left_in_halves() -> None:
    search("x" * 494 + "sesame", top=1)
    last = history.last_action()
    assert last is not None
    assert last.result is not None
    assert "ses" not in last.result


def test_contents_in_memory_are_not_on_the_spans(remembering: SpanCapture) -> None:
    """Content is off: only this process may know."""
    with track.operation("answer", command="Where is parcel 17?"):
        search("parcel 17")
    told = [name for span in remembering.spans for name in span["attributes"]]
    assert not {semconv.COMMAND, semconv.TOOL_ARGUMENTS, semconv.TOOL_RESULT} & set(told)


def test_only_the_last_hundred_are_kept() -> None:
    for number in range(130):
        search(str(number), top=1)
    ring = history.current_ring()
    assert ring is not None
    assert len(ring) == 100
    last = history.last_action()
    assert last is not None
    assert last.result == '["129 0"]'


def test_inside_a_session_only_its_own_actions_are_told() -> None:
    """A server's agents must not tell one user what another one did."""
    with track.session("hers"):
        search("her secret")
    with track.session("his"):
        assert history.last_action() is None
        assert history.find_related("secret") == []
        assert history.summarize().actions == ()
        search("his own")
        assert [each.session for each in history.summarize().actions] == ["his"]
    assert len(history.find_related("secret own")) == 2


def test_status_follows_from_what_was_below() -> None:
    """A failure that was mended is none; the program's own word wins."""
    with track.session("mended"):
        with pytest.raises(ValueError, match="no"):
            broken("x")
        search("x")
    with track.session("told") as run:
        run.end("incomplete")
    kinds = history.History().actions(10, kind="session", session="")
    assert {each.session: each.status for each in kinds} == {
        "mended": "completed",
        "told": "incomplete",
    }
    summary = history.History().summarize(10, session="mended")
    assert {each.kind: each.status for each in summary.actions}["session"] == "partial"


def test_an_explanation_names_command_failures_and_what_it_was_a_part_of() -> None:
    answering = track.operation("answer", command="Where is parcel 17?")
    with track.session("s1"), track.agent("clerk"), answering:
        with pytest.raises(ValueError, match="here"):
            broken("parcel 17")
        search("parcel 17")
        found = history.explain_last_action()
    assert found.command == "Where is parcel 17?"
    assert [each.name for each in found.failed_before] == ["broken"]
    assert "Before it failed: the tool broken (ValueError)." in found.sentences


def test_many_threads_append_while_others_read() -> None:
    stop = threading.Event()
    problems: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                history.summarize(100)
        except BaseException as error:  # noqa: BLE001 - told to the test below
            problems.append(error)

    def write() -> None:
        for number in range(100):
            search(str(number), top=1)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write) for _ in range(3)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert problems == []
    ring = history.current_ring()
    assert ring is not None
    assert len(ring) == 100


def test_a_value_that_breaks_when_it_is_looked_at_does_not_break_the_tool() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("not now")

    @tool
    def give(what: object) -> object:
        return what

    assert isinstance(give(Odd()), Odd)
    last = history.last_action()
    assert last is not None
    assert last.name == "give"


def test_a_ring_of_ones_own_answers_as_well() -> None:
    ring = Ring(3)
    assert history.History(ring=ring).last_action() is None
    assert history.History(ring=ring).statistics().actions == 0


def test_what_is_asked_wrongly_is_said() -> None:
    here = history.History()
    with pytest.raises(ValueError, match="there is no kind 'x'"):
        here.last_action("x")  # type: ignore[arg-type]  # what a caller without types may give
    with pytest.raises(ValueError, match="1 or more, not 0"):
        here.summarize(0)
    with pytest.raises(ValueError, match="no word to look for"):
        here.find_related("?!")
    with pytest.raises(UnknownAction, match="no action here has the id 'abcd'"):
        here.explain("abcd")
    with pytest.raises(ValueError, match="there is no language 'tlh'; there are en, id"):
        history.History(language="tlh")
    with pytest.raises(ValueError, match="vectors need a warehouse and an embedder"):
        here.index()
