"""States before and after, and what changed between them."""

import copy
import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger import semconv, track
from spanledger.testing.spans import SpanCapture
from spanledger.track.differences import differences

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=3), children, max_size=4)
    ),
    max_leaves=20,
)


def applied(value: Any, changes: list[dict[str, Any]]) -> Any:
    """`value` after the changes, by the rules of JSON patch."""
    root = {"": copy.deepcopy(value)}
    # Of a list the last item goes first, else the numbers of the others would move.
    removals = [change for change in changes if change["op"] == "remove"]
    for change in [*(c for c in changes if c["op"] != "remove"), *reversed(removals)]:
        _apply(root, change)
    return root[""]


def _apply(root: Any, change: dict[str, Any]) -> None:
    parts = [p.replace("~1", "/").replace("~0", "~") for p in change["path"].split("/")]
    owner = root
    for part in parts[:-1]:
        owner = owner[int(part)] if isinstance(owner, list) else owner[part]
    last = int(parts[-1]) if isinstance(owner, list) else parts[-1]
    if change["op"] == "remove":
        assert owner.pop(last) == change["old"]
    elif change["op"] == "add" and isinstance(owner, list):
        owner.append(change["value"])
    else:
        owner[last] = change["value"]


@given(VALUES, VALUES)
def test_the_changes_lead_from_one_value_to_the_other(before: Any, after: Any) -> None:
    found = differences(before, after, most=10_000)
    assert (
        repr(applied(before, found.changes)) == repr(after)
        or applied(before, found.changes) == after
    )
    assert not found.more


@given(VALUES)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert differences(value, copy.deepcopy(value)).changes == []


def test_one_for_true_is_a_change() -> None:
    assert differences({"a": 1}, {"a": True}).changes[0]["op"] == "replace"


def test_names_are_escaped_in_pointers() -> None:
    assert differences({}, {"a/b~c": 1}).changes[0]["path"] == "/a~1b~0c"


def test_changes_beyond_the_most_are_said_to_be_there() -> None:
    found = differences([], list(range(200)), most=100)
    assert (len(found.changes), found.more) == (100, True)


def test_a_second_snapshot_tells_what_changed(captured_spans: SpanCapture) -> None:
    """Also of the very object that was changed in place."""
    steps = ["search"]
    state = {"steps": steps, "done": 0}
    with track.session("s-1"), track.operation("work"):
        first = track.snapshot("plan", state)
        steps.append("write")
        second = track.snapshot("plan", state)
    assert (first.first, first.changes) == (True, ())
    assert not second.first
    assert second.changes == ({"op": "add", "path": "/steps/1", "value": "write"},)
    events = captured_spans.named("work")[0]["events"]
    assert [e["name"] for e in events] == [semconv.SNAPSHOT_EVENT_NAME] * 2
    assert json.loads(str(events[1]["attributes"][semconv.SNAPSHOT_CHANGES])) == [
        {"op": "add", "path": "/steps/1", "value": "write"}
    ]


def test_sessions_have_their_own_states(captured_spans: SpanCapture) -> None:
    for name in ("s-2", "s-3"):
        with track.session(name):
            assert track.snapshot("plan", name).first


def test_without_a_session_a_trace_has_its_own_states(captured_spans: SpanCapture) -> None:
    for _ in range(2):
        with track.operation("work"):
            assert track.snapshot("plan", 1).first
            assert not track.snapshot("plan", 1).first


def test_a_snapshot_outside_of_any_span_has_one_of_its_own(captured_spans: SpanCapture) -> None:
    track.snapshot("lonely", 1)
    assert [span["name"] for span in captured_spans.spans] == ["snapshot lonely"]


def test_states_of_old_sessions_are_forgotten() -> None:
    """Memory does not grow with the number of sessions, nor with that of labels."""
    for i in range(200):
        with track.session(f"old-{i}"):
            track.snapshot("plan", i)
    with track.session("old-0"):
        assert track.snapshot("plan", 0).first
    with track.session("labels"):
        for i in range(100):
            track.snapshot(f"{i}", i)
        assert len(track.recent_snapshots(track.session("x").span)) == 16


def test_secrets_and_objects_are_not_in_a_snapshot() -> None:
    taken = track.snapshot("secrets", {"password": "x", "client": object()})
    assert taken.state == {"password": "[redacted]", "client": "<object>"}


def test_a_state_that_is_too_large_is_cut_and_is_json(captured_spans: SpanCapture) -> None:
    track.snapshot("large", {f"k{i}": "\x00" * 500 for i in range(1000)})
    text = str(captured_spans.spans[0]["events"][0]["attributes"][semconv.SNAPSHOT_STATE])
    assert len(text) <= 16_000
    json.loads(text)


def test_threads_take_snapshots_of_one_session_without_a_loss() -> None:
    taken: list[track.Snapshot] = []

    def work() -> None:
        with track.session("threads"):
            taken.extend(track.snapshot("counter", i) for i in range(200))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.first for one in taken) == 1


@pytest.mark.parametrize(("label", "error"), [("", ValueError), (3, TypeError)])
def test_a_label_that_is_none_is_an_error(label: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="label of a snapshot"):
        track.snapshot(label, 1)
