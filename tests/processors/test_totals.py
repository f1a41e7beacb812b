"""Totals of a subtree, and the wrapper of `Span.end` that writes them."""

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Span as SdkSpan

from spanledger import semconv, track
from spanledger.processors import AttributionProcessor, span_end
from spanledger.processors.nodes import Node, node_of
from spanledger.testing.spans import SpanCapture, capture_spans

#: As a gate leaves it.
CHAT = {semconv.OPERATION_NAME: "chat", semconv.BILLING: "call"}


@pytest.fixture
def spans() -> Iterator[SpanCapture]:
    """Captured spans with nodes and the wrapper."""
    span_end.install()
    try:
        with capture_spans(AttributionProcessor(), as_global=True) as capture:
            yield capture
    finally:
        span_end.uninstall()


def _call(spans: SpanCapture, cost: int | None, tokens: int) -> None:
    with spans.tracer().start_as_current_span("chat", attributes=CHAT) as span:
        node = node_of(span)
        assert node is not None
        node.add(cost_nano_usd=cost, tokens=tokens)


def _totals(spans: SpanCapture, name: str) -> dict[str, object]:
    attributes = spans.named(name)[0]["attributes"]
    return {k.rsplit(".", 1)[1]: v for k, v in attributes.items() if ".subtree." in k}


def test_every_ancestor_knows_what_its_subtree_used(spans: SpanCapture) -> None:
    """Session, planner, writer; the unpriced call counts, but not as free."""
    with track.session("s"):
        with track.agent("planner"):
            _call(spans, 5, 10)
            with track.agent("writer"):
                _call(spans, 7, 20)
                _call(spans, None, 30)
        with track.agent("idle"):
            pass
    writer = {"cost": 7, "tokens": 50, "calls": 2, "unpriced_calls": 1}
    everything = {"cost": 12, "tokens": 60, "calls": 3, "unpriced_calls": 1}
    assert _totals(spans, "invoke_agent writer") == writer
    assert _totals(spans, "invoke_agent planner") == everything
    assert _totals(spans, "session") == everything
    assert _totals(spans, "invoke_agent idle") == {}


def test_an_inference_span_has_no_totals_of_its_own(spans: SpanCapture) -> None:
    """Its cost is its cost."""
    _call(spans, 5, 10)
    assert _totals(spans, "chat") == {}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 10**12), st.integers(0, 99)))
)
def test_totals_are_the_sums_of_the_calls_below(calls: list[tuple[int, int | None, int]]) -> None:
    """For any calls at any depth."""
    chain = [Node(None, "other")]
    for _ in range(3):
        chain.append(Node(chain[-1], "other"))
    for depth, cost, tokens in calls:
        chain[depth].add(cost_nano_usd=cost, tokens=tokens)
    for depth, node in enumerate(chain):
        below = [call for call in calls if call[0] >= depth]
        assert node.calls == len(below)
        assert node.tokens == sum(tokens for _, _, tokens in below)
        assert node.cost_nano_usd == sum(cost or 0 for _, cost, _ in below)
        assert node.unpriced_calls == sum(cost is None for _, cost, _ in below)


def test_threads_lose_no_call() -> None:
    """All of them count on one root."""
    root = Node(None, "other")

    def work() -> None:
        leaf = Node(root, "inference")
        for _ in range(2000):
            leaf.add(cost_nano_usd=1, tokens=2)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (root.calls, root.tokens, root.cost_nano_usd) == (16_000, 32_000, 16_000)


def test_a_node_keeps_no_ended_span_alive(spans: SpanCapture) -> None:
    """A long session has millions of ended spans."""
    with track.session("s"):
        span = spans.tracer().start_span("short")
        gone = weakref.ref(span)
        span.end()
        spans.clear()
        del span
        gc.collect()
        assert gone() is None


def test_what_is_to_be_done_at_the_end_is_done_once_while_the_span_is_open(
    spans: SpanCapture,
) -> None:
    """Also if a library ends its span twice."""
    seen: list[bool] = []
    span = spans.tracer().start_span("host")
    node = node_of(span)
    assert node is not None

    def last_word(ending: Any) -> None:
        seen.append(ending.is_recording())
        ending.set_attribute("spanledger.said", True)

    node.on_end = last_word
    span.end()
    span.end()
    assert seen == [True]
    assert spans.spans[0]["attributes"] == {"spanledger.said": True}


def test_a_failure_of_ours_never_keeps_a_span_open(spans: SpanCapture) -> None:
    """The host's span ends whatever happens in the wrapper."""
    span = spans.tracer().start_span("host")
    node = node_of(span)
    assert node is not None

    def fails(_span: Any) -> None:
        raise RuntimeError("ours")

    node.on_end = fails
    span.end()
    assert spans.open_spans == []
    assert not span.is_recording()


def test_failing_totals_never_keep_a_span_open(
    spans: SpanCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a failure anywhere else in the wrapper."""

    def fails(_node: Node) -> dict[str, int]:
        raise RuntimeError("ours")

    monkeypatch.setattr(span_end, "subtree_attributes", fails)
    with track.session("s"):
        _call(spans, 1, 1)
    assert [span["name"] for span in spans.spans] == ["session", "chat"]


def test_the_end_time_that_a_library_gives_is_kept(spans: SpanCapture) -> None:
    """Arguments go through the wrapper."""
    span = spans.tracer().start_span("host", start_time=5)
    span.end(end_time=7)
    assert spans.spans[0]["end_ns"] == 7


def test_the_wrapper_is_put_on_once_and_taken_off_whole() -> None:
    """Twice installed, once uninstalled."""
    original = SdkSpan.__dict__["end"]
    span_end.install()
    wrapped = SdkSpan.__dict__["end"]
    assert wrapped is not original
    span_end.install()
    assert SdkSpan.__dict__["end"] is wrapped
    span_end.uninstall()
    assert SdkSpan.__dict__["end"] is original
    span_end.uninstall()
    assert SdkSpan.__dict__["end"] is original


def test_an_unsampled_span_has_no_node_and_ends_all_the_same(spans: SpanCapture) -> None:
    """Nothing is recorded, so there is nothing to hang a node on."""
    assert node_of(object()) is None
