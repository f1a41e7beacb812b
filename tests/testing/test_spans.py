import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    Decision,
    Sampler,
    SamplingResult,
)

from spanledger.testing.spans import SpanCapture, capture_spans, tree


class RecordOnly(Sampler):
    def should_sample(self, *args: object, **kwargs: object) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "record only"


class Stamp(SpanProcessor):
    def on_start(self, span: Span, parent_context: object = None) -> None:
        span.set_attribute("stamped", True)


def a_small_agent(capture: SpanCapture) -> None:
    tracer = capture.tracer("agent")
    with tracer.start_as_current_span("invoke_agent planner", attributes={"list": (1, 2)}):
        with tracer.start_as_current_span("chat", kind=trace.SpanKind.CLIENT) as chat:
            chat.set_attribute("tokens", 7)
            chat.add_event("first", {"n": 1})
        with (
            pytest.raises(KeyError),
            tracer.start_as_current_span("execute_tool search"),
            tracer.start_as_current_span("inner", set_status_on_exception=True),
        ):
            raise KeyError("gone")


def test_finished_spans_are_plain_values_in_the_order_they_started() -> None:
    with capture_spans() as capture:
        a_small_agent(capture)
        root, chat, tool, inner = capture.spans

    assert [s["name"] for s in (root, tool, inner)] == [
        "invoke_agent planner",
        "execute_tool search",
        "inner",
    ]
    assert root["attributes"] == {"list": [1, 2]}
    assert (root["parent"], chat["parent"], inner["parent"]) == (
        None,
        "invoke_agent planner",
        "execute_tool search",
    )
    assert (chat["kind"], chat["status"], chat["scope"]) == ("client", "unset", "agent")
    assert chat["events"] == [{"name": "first", "attributes": {"n": 1}}]
    assert (tool["status"], inner["status_description"]) == ("error", "KeyError: 'gone'")
    assert [e["name"] for e in inner["events"]] == ["exception"]


def test_ids_are_the_same_every_time() -> None:
    with capture_spans() as capture:
        a_small_agent(capture)
        spans = capture.spans

    assert {span["trace_id"] for span in spans} == {f"{1:032x}"}
    assert [span["span_id"] for span in spans] == [f"{n:016x}" for n in (1, 2, 3, 4)]
    assert spans[1]["parent_id"] == f"{1:016x}"


def test_the_tree_shows_shape_attributes_and_errors() -> None:
    with capture_spans() as capture:
        a_small_agent(capture)
        text = capture.tree(attributes=("tokens",))

    assert text == "\n".join(
        (
            "invoke_agent planner",
            "├── chat  tokens=7",
            "└── execute_tool search  ERROR: KeyError: 'gone'",
            "    └── inner  ERROR: KeyError: 'gone'",
        )
    )


def test_a_span_whose_parent_is_unknown_stands_at_the_root() -> None:
    with capture_spans() as capture:
        a_small_agent(capture)
        spans = capture.spans

    assert tree(spans[1:2]) == "chat"
    assert tree([]) == ""


def test_what_the_given_processors_set_is_seen() -> None:
    with capture_spans(Stamp()) as capture:
        capture.tracer().start_span("x").end()

        assert capture.named("x")[0]["attributes"] == {"stamped": True}


def test_open_spans_are_named_until_they_end() -> None:
    with capture_spans() as capture:
        span = capture.tracer().start_span("forgotten")
        assert (capture.open_spans, capture.spans) == (["forgotten"], [])
        span.end()
        assert (capture.open_spans, len(capture.spans)) == ([], 1)
        capture.clear()
        assert capture.spans == []


def test_unsampled_spans_are_kept_only_on_demand() -> None:
    with capture_spans(sampler=RecordOnly()) as sampled_only:
        sampled_only.tracer().start_span("x").end()
        assert sampled_only.spans == []
    with capture_spans(sampler=RecordOnly(), include_unsampled=True) as everything:
        everything.tracer().start_span("x").end()
        assert [span["sampled"] for span in everything.spans] == [False]
    with capture_spans(sampler=ALWAYS_OFF, include_unsampled=True) as nothing:
        nothing.tracer().start_span("x").end()
        assert nothing.spans == []


def test_the_global_provider_is_put_back() -> None:
    before = trace.get_tracer_provider()
    with capture_spans(as_global=True) as outer:
        with capture_spans(as_global=True) as inner:
            trace.get_tracer("a").start_span("inner").end()
        trace.get_tracer("a").start_span("outer").end()

        assert [span["name"] for span in inner.spans] == ["inner"]
        assert [span["name"] for span in outer.spans] == ["outer"]
    assert trace.get_tracer_provider() is before


def test_somebody_elses_provider_goes_on_without_the_capture() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    with capture_spans(provider=provider) as capture:
        provider.get_tracer("a").start_span("seen").end()
    provider.get_tracer("a").start_span("not seen").end()

    assert [span["name"] for span in capture.spans] == ["seen"]
    provider.shutdown()


def test_the_fixture_captures_the_global_provider(captured_spans: SpanCapture) -> None:
    trace.get_tracer("anywhere").start_span("x").end()

    assert captured_spans.tree() == "x"
