"""An agent that spills secrets wherever one can be spilled. Reads its seeds, as JSON, from stdin.

Prints one JSON object: what our own exceptions say.
"""

import base64
import json
import logging
import sys
from contextlib import suppress
from urllib.parse import quote

import openai
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags, TraceState

from spanledger import guard, track


class BaggageToAttributes(SpanProcessor):
    """What opentelemetry-processor-baggage does: baggage becomes attributes of each span."""

    def on_start(self, span: trace.Span, parent_context: context.Context | None = None) -> None:
        for name, value in baggage.get_all(parent_context).items():
            span.set_attribute(f"baggage.{name}", str(value))

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing."""


def codings(seed: str) -> dict[str, str]:
    """The seed as it may be written."""
    return {
        "plain": f"it is {seed}, really",
        "json": json.dumps(json.dumps({"note": json.dumps({"value": seed})})),
        "base64": base64.b64encode(f"it is {seed}, really".encode()).decode(),
        "percent": f"https://example.com/?q={''.join(f'%{ord(c):02x}' for c in seed)}",
        "quoted": quote(f"x {seed} y"),
        "zero width": "\u200b".join(seed),
        "zero width in json": json.dumps({"text": "\u200b".join(seed)}),
    }


def spill_chunks(span: trace.Span, text: str) -> None:
    """A stream as events. Not in a frame of the error: a half alone in a variable nobody knows."""
    half = len(text) // 2
    for chunk in (text[:half], text[half:]):
        span.add_event("chunk", {"content": chunk})


def spill(seeds: dict[str, str]) -> None:
    """One span with secrets in each of its parts."""
    tracer = trace.get_tracer(f"lib {seeds['scope']}", attributes={"a": seeds["scope"]})
    state = TraceState([("vendor", seeds["trace state"])])
    caller = SpanContext(7, 8, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    parent = trace.set_span_in_context(trace.NonRecordingSpan(caller))
    token = context.attach(baggage.set_baggage("user", seeds["baggage"], parent))
    with tracer.start_as_current_span(
        f"chat {seeds['span name']}",
        links=[Link(caller, {"why": seeds["link"]})],
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        for name, text in codings(seeds["prompt"]).items():
            span.set_attribute(f"gen_ai.prompt.{name}", text)
        message = {"role": "user", "parts": [{"type": "text", "content": seeds["prompt"]}]}
        span.set_attribute("gen_ai.input.messages", json.dumps([message]))
        span.set_attribute("gen_ai.tool.call.arguments", json.dumps({"password": seeds["word"]}))
        nested = json.dumps({"arguments": json.dumps({"password": f'a "{seeds["word"]}" b'})})
        span.set_attribute("gen_ai.tool.call.result", json.dumps({"output": nested}))
        span.set_attribute("tags", ["first", seeds["list"], "last"])
        span.set_attribute("argv", ["run", "--password", seeds["word"]])
        span.set_attribute(f"attribute.{seeds['attribute name']}", 1)
        span.set_attribute("db.password", seeds["word"])
        spill_chunks(span, seeds["chunks"])
        try:
            raise ValueError(f"refused: {seeds['exception']}")
        except ValueError as error:
            span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, f"failed with {seeds['status']}"))
    context.detach(token)


@track.tool
def look_up(query: str) -> str:
    """A tool that fails, with its argument in a local variable."""
    local_copy = query
    raise LookupError(f"nothing found for {local_copy}")


def ask(prompt: str) -> Exception | None:
    """A call that may fail."""
    try:
        openai.OpenAI(max_retries=0).chat.completions.create(
            model="demo", messages=[{"role": "user", "content": prompt}], max_tokens=10
        )
    except Exception as error:  # noqa: BLE001 - it is what is looked at
        return error
    return None


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    # The client's own log holds requests; that is not ours to clean.
    for name in ("openai", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.ERROR)
    seeds: dict[str, str] = json.load(sys.stdin)
    provider = trace.get_tracer_provider()
    provider.add_span_processor(BaggageToAttributes())  # type: ignore[attr-defined]  # the SDK's
    spill(seeds)
    with track.session("one"), suppress(LookupError):
        look_up(seeds["argument"])
    errors = [ask(seeds["prompt"]) for _ in range(3)]
    refusals = [error for error in errors if isinstance(error, guard.SpanledgerRefusal)]
    said = [f"{error!r} {error} {error.refusal!r}" for error in refusals]
    print(json.dumps({"refusals": said}))


if __name__ == "__main__":
    main()
