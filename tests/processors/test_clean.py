"""Whole spans without what must not leave."""

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

from spanledger import semconv
from spanledger.processors import RecordCallsSampler
from spanledger.processors.clean import Cleaner
from spanledger.processors.redaction import REDACTED, AllowList, redactor

SECRET = "key-0123456789"
PROMPT = "what people said"
LINKED = SpanContext(5, 7, is_remote=True, trace_flags=TraceFlags(1))


def _span(*, sampled: bool = True) -> ReadableSpan:
    """A span with the secret and the prompt in every place that can hold a text."""
    root = ALWAYS_ON if sampled else ALWAYS_OFF
    resource = Resource({"service.name": f"app {SECRET}", "process.command_args": ["--x", SECRET]})
    provider = TracerProvider(
        sampler=RecordCallsSampler(root), resource=resource, shutdown_on_exit=False
    )
    span = provider.get_tracer("t").start_span(
        f"chat {SECRET}",
        attributes={
            semconv.OPERATION_NAME: "chat",
            semconv.RESPONSE_FINISH_REASONS: ["stop", SECRET],
            semconv.USAGE_INPUT_TOKENS: 5,
            "gen_ai.input.messages": PROMPT,
            semconv.TOOL_ARGUMENTS: PROMPT,
            "input.value": PROMPT,
        },
        links=[Link(LINKED, {"gen_ai.response.id": SECRET, "gen_ai.output.messages": PROMPT})],
    )
    span.add_event(f"event {SECRET}", {"exception.message": f"bad {SECRET}", "content": PROMPT})
    span.set_status(Status(StatusCode.ERROR, f"failed with {SECRET}"))
    span.end()
    assert isinstance(span, ReadableSpan)
    return span


def _cleaner(content: str = "off") -> Cleaner:
    return Cleaner(AllowList(content=content), redactor([SECRET]))


def test_no_secret_is_left_in_any_part_of_a_span() -> None:
    """Name, status, attributes, lists, events, links, resource."""
    shown = _cleaner("full").span(_span()).to_json()
    assert SECRET not in shown
    assert shown.count(REDACTED) == 7


def test_no_content_is_left_by_default() -> None:
    """Anywhere."""
    assert PROMPT not in _cleaner().span(_span()).to_json()


def test_content_stays_in_sampled_spans_if_it_is_wanted_and_never_in_others() -> None:
    """What was not sampled is sent for its numbers only."""
    attributes = _cleaner("full").span(_span()).attributes or {}
    assert attributes["gen_ai.input.messages"] == PROMPT
    actions = _cleaner("actions").span(_span()).attributes or {}
    assert semconv.TOOL_ARGUMENTS in actions
    assert "gen_ai.input.messages" not in actions
    assert PROMPT not in _cleaner("full").span(_span(sampled=False)).to_json()


def test_what_counts_stays() -> None:
    """Ids, times, numbers and codes are untouched, and the original span too."""
    original = _span()
    before = original.to_json()
    clean = _cleaner().span(original)
    assert original.to_json() == before
    assert clean.context == original.context
    assert (clean.start_time, clean.end_time) == (original.start_time, original.end_time)
    assert clean.status.status_code is StatusCode.ERROR
    assert (clean.attributes or {})[semconv.USAGE_INPUT_TOKENS] == 5
    assert clean.links[0].context == LINKED
    assert clean.events[0].timestamp == original.events[0].timestamp


def test_a_resource_is_cleaned_once_for_all_its_spans() -> None:
    """And another one is not mistaken for it."""
    cleaner, first = _cleaner(), _span()
    assert cleaner.span(first).resource is cleaner.span(first).resource
    assert cleaner.span(first).resource.attributes == {"service.name": f"app {REDACTED}"}
    for _ in range(100):
        assert SECRET not in str(cleaner.span(_span()).resource.attributes)
    assert len(cleaner._resources) <= 66


def test_a_long_status_is_cut() -> None:
    """Providers answer whole pages."""
    assert len(_cleaner().text("x" * 10_000)) == 2000
