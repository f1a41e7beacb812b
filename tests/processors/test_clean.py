"""Whole spans without what must not leave."""

from collections.abc import Iterable
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags, TraceState

from spanledger import semconv
from spanledger.processors import RecordCallsSampler
from spanledger.processors.clean import Cleaner
from spanledger.processors.redact.cuts import REDACTED, mark
from spanledger.processors.redaction import AllowList, Names, redactor

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


def _wide(**options: Iterable[str]) -> Cleaner:
    """Every attribute passes, so that only the redaction is in the way."""
    return Cleaner(AllowList(content="full", extra=["*"]), redactor([SECRET]), **_keep(options))


def _keep(options: dict[str, Iterable[str]]) -> dict[str, Any]:
    return {name: Names(entries) for name, entries in options.items()}


def _plain_span(**parts: Any) -> ReadableSpan:
    """A finished, sampled span with these parts."""
    return ReadableSpan("work", LINKED, **parts)


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


def test_what_a_name_calls_a_secret_is_cut_out_whatever_it_is() -> None:
    """As an attribute, in a table, behind a flag in a list of arguments."""
    span = _plain_span(
        attributes={
            "db.password": "xyz",
            "http.request.header.authorization": ["Token abc"],
            "config": {"client_secret": "s", "token": {"old": b"t"}, "port": 80},
            "process.command_args": ["run", "--password", "hunter2", "--verbose", "x"],
            "gen_ai.token.type": "input",
            "max_tokens": 100,
        }
    )
    assert _wide().span(span).attributes == {
        "db.password": mark("password"),
        "http.request.header.authorization": [mark("authorization")],
        "config": {
            "client_secret": mark("secret"),
            "token": {"old": mark("token")},
            "port": 80,
        },
        "process.command_args": ["run", "--password", mark("password"), "--verbose", "x"],
        "gen_ai.token.type": "input",
        "max_tokens": 100,
    }


def test_bytes_and_names_of_attributes_are_cleaned_too() -> None:
    """Bytes that are no text stay as they are."""
    span = _plain_span(attributes={f"a.{SECRET}": 1, "b": f"x {SECRET}".encode(), "c": b"\xff\x00"})
    clean = _wide().span(span).attributes
    assert clean == {f"a.{REDACTED}": 1, "b": f"x {REDACTED}".encode(), "c": b"\xff\x00"}


def test_a_secret_that_is_split_over_list_items_or_events_is_cut_out() -> None:
    """Chunks of a stream come so; innocent items stay as they are."""
    half, rest = SECRET[:7], SECRET[7:]
    chunks = [f"the key {half}", f"{rest} is", " mine"]
    span = _plain_span(
        attributes={"chunks": chunks, "reasons": ["stop", "length"]},
        events=[Event("chunk", {"text": chunk, "number": 1}) for chunk in chunks],
    )
    clean = _wide().span(span)
    expected = [f"the key {REDACTED}", " is", " mine"]
    assert (clean.attributes or {})["chunks"] == expected
    assert (clean.attributes or {})["reasons"] == ["stop", "length"]
    assert [(event.attributes or {})["text"] for event in clean.events] == expected


def test_trace_state_and_instrumentation_scope_are_cleaned() -> None:
    """Both are sent with each span; what holds no secret is the same object as before."""
    state = TraceState([("vendor", "plain"), ("other", SECRET)])
    context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1), trace_state=state)
    scope = InstrumentationScope(f"lib {SECRET}", "1.0", None, {"a": SECRET, "b": 1})
    span = ReadableSpan("x", context, links=[Link(context)], instrumentation_scope=scope)
    cleaner = _wide()
    clean = cleaner.span(span)
    assert clean.context is not None
    assert dict(clean.context.trace_state) == {"vendor": "plain"}
    assert dict(clean.links[0].context.trace_state) == {"vendor": "plain"}
    assert clean.context.span_id == 2
    found = clean.instrumentation_scope
    assert found is not None
    assert (found.name, found.version) == (f"lib {REDACTED}", "1.0")
    assert dict(found.attributes or {}) == {"a": REDACTED, "b": 1}
    assert cleaner.span(span).instrumentation_scope is found


def test_what_is_to_be_kept_is_not_redacted() -> None:
    """Names, and prefixes that end in a star."""
    span = _plain_span(attributes={"my.id": SECRET, "my.other": SECRET, "db.password": "x"})
    clean = _wide(keep=["my.id", "db.*"]).span(span).attributes
    assert clean == {"my.id": SECRET, "my.other": REDACTED, "db.password": "x"}


@pytest.mark.parametrize("count", [10_000])
def test_made_up_names_and_scopes_take_bounded_memory(count: int) -> None:
    """What is remembered of them."""
    cleaner = _wide()
    for number in range(count):
        scope = InstrumentationScope(f"lib-{number}")
        cleaner.span(_plain_span(attributes={f"n.{number}": 1}, instrumentation_scope=scope))
    assert len(cleaner._names) <= 4096
    assert len(cleaner._scopes) <= 65


def test_items_of_a_list_are_not_taken_for_one_text() -> None:
    """The value of one header does not go on into the next."""
    headers = [
        "Authorization: Bearer abcdef123456789",
        "Content-Type: text/plain",
        "Cookie: a=12345",
    ]
    span = _plain_span(attributes={"headers": [*headers, "Host: h"]})
    assert (_wide().span(span).attributes or {})["headers"] == [
        f"Authorization: Bearer {mark('authorization')}",
        "Content-Type: text/plain",
        f"Cookie: {mark('cookie')}",
        "Host: h",
    ]
