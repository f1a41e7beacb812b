"""What is told of variables: nothing runs, nothing secret, nothing large."""

import json
from contextlib import ExitStack, suppress

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

from spanledger import track
from spanledger.processors import AttributionProcessor, errors
from spanledger.processors.errors import collect
from spanledger.testing.spans import SpanCapture, capture_spans
from tests.processors import _failing
from tests.processors._errors import (
    MOST_BYTES,
    SECRET,
    collecting,
    context_of,
    contexts,
    recorder_with,
    sizes,
    spans,
)

__all__ = ["collecting", "spans"]


def test_no_code_of_an_object_is_run(spans: SpanCapture) -> None:
    found = context_of(spans, _failing.hostile_locals)
    assert found["locals"][0]["variables"] == {
        "one": "<Hostile>",
        "many": [1, 2],
        "nested": {
            "deep": ["<Hostile>", {"deeper": "<HostileList, 2 items>"}],
            "['a', 1]": "<Hostile>",
        },
    }


def test_secrets_are_hidden_by_name_and_by_value(spans: SpanCapture) -> None:
    found = context_of(spans, lambda: _failing.with_secrets("k" * 20, SECRET))
    variables = found["locals"][0]["variables"]
    assert variables["api_key"] == variables["token"] == "[redacted]"
    assert variables["plan"] == {"$type": "Plan", "steps": ["search"], "password": "[redacted]"}
    assert variables["headers"] == {"Authorization": "[redacted]", "accept": "json"}
    text = json.dumps(spans.spans)
    assert "hunter2-hunter2" not in text
    assert "k" * 20 not in text


def test_a_secret_of_the_environment_is_cut_out_of_every_part(spans: SpanCapture) -> None:
    def leaky() -> None:
        note = f"the value {SECRET} under an innocent name"
        raise ValueError(f"{note} in the message")

    with suppress(ValueError), track.operation(f"work {SECRET}"):
        track.snapshot("s", {"x": SECRET})
        leaky()
    [span] = spans.spans
    assert "[redacted:test]" in contexts(span)[0]["locals"][0]["variables"]["note"]
    assert SECRET not in json.dumps([e for e in span["events"] if e["name"] != "exception"])


def test_what_was_said_is_told_in_kind_and_size_only(spans: SpanCapture) -> None:
    def ask() -> None:
        messages = [{"role": "user", "content": "my diagnosis"}]
        system_prompt = "you are a doctor"
        raise TimeoutError(len(messages) + len(system_prompt))

    variables = context_of(spans, ask)["locals"][0]["variables"]
    assert variables == {"messages": "<list, 1 items>", "system_prompt": "<str, 16 characters>"}
    errors.use(recorder_with(content=True))
    variables = context_of(spans, ask)["locals"][0]["variables"]
    assert variables["system_prompt"] == "you are a doctor"


def test_variables_and_source_can_be_switched_off(spans: SpanCapture) -> None:
    errors.use(recorder_with(locals=False, source=False))
    found = context_of(spans, _failing.plain)
    assert "locals" not in found
    assert "source" not in found["frames"][0]


def test_giants_are_cut_to_32_kb(spans: SpanCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory, on the wire, and in time: fifty megabytes are not looked through."""
    # On a busy machine the time would be up, and no more than kinds be told.
    monkeypatch.setattr(collect, "_VARIABLES_S", 60.0)
    found = context_of(spans, _failing.giant_locals)
    assert sizes(spans.named("work")[0])[0] <= MOST_BYTES
    variables = found["locals"][0]["variables"]
    assert variables["text"].endswith("(50000000 characters)")
    assert variables["blob"] == "<bytes, 10000000 bytes>"
    assert variables["number"].startswith("<int, ")


def test_everything_large_at_once_stays_below_32_kb(spans: SpanCapture) -> None:
    """A long chain, many frames, long names, a deep tree, large snapshots, many details."""
    error = _failing.in_thread(_failing.giant_locals)
    for i in range(20):
        error = _raised(f"layer {i} " + "ü\x00" * 2000, error)
    with track.session("s"):
        for i in range(20):
            track.snapshot(f"{i}" + "l" * 90, {f"k{j}" * 20: "ü" * 900 for j in range(60)})
        with ExitStack() as operations:
            for _ in range(25):
                operations.enter_context(track.operation("o" * 300))
            assert error is not None
            track.error(error, **{f"detail_{i}": "ü" * 5000 for i in range(40)})
    [size] = [size for span in spans.spans for size in sizes(span)]
    assert 10_000 < size <= MOST_BYTES


def _raised(text: str, cause: BaseException | None) -> BaseException:
    try:
        raise ValueError(text) from cause
    except ValueError as error:
        error.add_note("n" * 5000)
        return error


def test_where_the_sdk_cuts_attributes_the_json_is_still_whole() -> None:
    limits = SpanLimits(max_attribute_length=700)
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    with capture_spans(AttributionProcessor(), provider=provider, as_global=True) as spans:
        found = context_of(spans, _failing.caused)
    assert found["chain"][0]["type"] == "TimeoutError"
    assert found["frames"][-1] == {"left_out": found["frames"][-1]["left_out"]}
