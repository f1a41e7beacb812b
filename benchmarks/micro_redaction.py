"""CPU of cutting secrets out of texts, for each KB of them, and out of whole spans.

    python benchmarks/micro_redaction.py

Prints microseconds (best of several rounds, all operations interleaved, so that a slow moment of
the machine hits them alike) beside their targets. Exits with 1 if one is missed.
"""

import base64
import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from spanledger.processors.clean import Cleaner
from spanledger.processors.redact.engine import Engine
from spanledger.processors.redaction import AllowList

ROUNDS = 9
SIZE = 8192
#: A dozen variables of the environment hold secrets.
ENGINE = Engine([f"value-of-the-secret-number-{number:02}" for number in range(12)])
CLEAN_US, ADVERSARIAL_US = 15.0, 200.0

PROSE = (
    "The quick brown fox jumps over the lazy dog; a session of 12 tokens, and the secret of it. "
)
CHAT = json.dumps([{"role": "user", "parts": [{"type": "text", "content": PROSE * 3}]}])
TRACE = (
    '  File "/usr/lib/python3.11/site-packages/openai/_base_client.py", line 1047, in request\n'
    "    raise self._make_status_error_from_response(err.response) from None\n"
)
USAGE = '{"prompt_tokens": 12, "completion_tokens_details": {"reasoning_tokens": 3}}, '
KEY = "sk" + "-proj-" + "aB3dE5gH" * 5
SECRETS = f"{PROSE * 4}Authorization: Bearer {KEY[8:]} and {KEY} with password=hunter22\n"
ADVERSARIAL = {
    "token:": "token:   ",
    "api_key='": "api_key='",
    "password=\\\"": 'password=\\"',
    "--token": "--token ",
    "sk-": "sk-",
    "-eyJ": "-eyJ",
    "eyJ….eyJ": "eyJAAAAAAAAAAAA.eyJ",
    "-----BEGIN": "-----BEGIN PRIVATE KEY-----",
    "://a:b@": "://a:b@",
    "%73k%2D": "%73k%2D",
    "\\u0041": "\\u0041",
    "zero width": "a\u200b",
    "base64 of heads": base64.b64encode(b"sk-" * 2000).decode(),
    "backslashes": "password=" + "\\" * 31 + '"' + "\\" * 500,
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], object]
    target_us: float
    kilobytes: float = 1.0


def operations() -> list[Operation]:
    return [
        _of_text("prose", PROSE, CLEAN_US),
        _of_text("messages in JSON", CHAT, CLEAN_US),
        _of_text("stack trace", TRACE, 2 * CLEAN_US),
        _of_text("numbers in JSON", USAGE, 3 * CLEAN_US),
        _of_text("two secrets for each 0.5 KB", SECRETS, ADVERSARIAL_US),
        *(_of_text(f"adversarial: {n}", t, ADVERSARIAL_US) for n, t in ADVERSARIAL.items()),
        Operation("span, 15 attributes without content", _span(0), 100.0),
        Operation("span, 15 attributes and 20 KB of content", _span(20), 500.0),
    ]


def _of_text(name: str, piece: str, target_us: float) -> Operation:
    text = (piece * (SIZE // len(piece) + 1))[:SIZE]
    return Operation(name, lambda: ENGINE(text), target_us, len(text.encode()) / 1024)


def _span(kilobytes: int) -> Callable[[], object]:
    cleaner = Cleaner(AllowList(content="full"), ENGINE)
    attributes = {f"gen_ai.request.attribute_{number}": f"value {number}" for number in range(15)}
    if kilobytes:
        attributes["gen_ai.input.messages"] = (PROSE * 300)[: kilobytes * 1024]
    context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))
    span = ReadableSpan("chat", context, resource=Resource({}), attributes=attributes)
    return lambda: cleaner.span(span)


def one_round(operation: Operation) -> float:
    repeats = 20
    start = time.thread_time()
    for _ in range(repeats):
        operation.run()
    return (time.thread_time() - start) / repeats * 1e6 / operation.kilobytes


def main() -> int:
    todo = operations()
    best = {operation.name: float("inf") for operation in todo}
    gc.disable()
    for _ in range(ROUNDS):
        for operation in todo:
            best[operation.name] = min(best[operation.name], one_round(operation))
    for operation in todo:
        measured, target = best[operation.name], operation.target_us
        verdict = "ok" if measured <= target else "MISSED"
        print(f"{operation.name:42} {measured:7.1f} us   target {target:5.0f} us   {verdict}")
    return int(any(best[o.name] > o.target_us for o in todo))


if __name__ == "__main__":
    raise SystemExit(main())
