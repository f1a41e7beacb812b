"""Cutting secrets out of texts, for each KB of them, and out of whole spans."""

import base64
import json
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.micro.case import Case, cpu
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from spanledger.processors.clean import Cleaner
from spanledger.processors.redact.engine import Engine
from spanledger.processors.redaction import AllowList

SIZE = 8192
#: A dozen variables of the environment hold secrets.
ENGINE = Engine([f"value-of-the-secret-number-{number:02}" for number in range(12)])
CLEAN_US, ADVERSARIAL_US = 15, 200

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
CLEAN = {
    "prose": PROSE,
    "messages in JSON": CHAT,
    "stack trace": TRACE,
    "numbers in JSON": USAGE,
}
ADVERSARIAL = {
    "two secrets for each 0.5 KB": SECRETS,
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


def cases(_stack: ExitStack) -> list[Case]:
    return [
        *(_of_text(f"clean: {name}", text, CLEAN_US) for name, text in CLEAN.items()),
        *(_of_text(f"adversarial: {n}", t, ADVERSARIAL_US) for n, t in ADVERSARIAL.items()),
        cpu("span, 15 attributes without content", _span(0), 100),
        cpu("span, 15 attributes and 20 KB of content", _span(20), 500),
    ]


def _of_text(name: str, piece: str, target_us: float) -> Case:
    text = (piece * (SIZE // len(piece) + 1))[:SIZE]
    kilobytes = len(text.encode()) / 1024
    return cpu(f"a KB, {name}", lambda: ENGINE(text), target_us, required=True, per=kilobytes)


def _span(kilobytes: int) -> Callable[[], object]:
    cleaner = Cleaner(AllowList(content="full"), ENGINE)
    attributes = {f"gen_ai.request.attribute_{number}": f"value {number}" for number in range(15)}
    if kilobytes:
        attributes["gen_ai.input.messages"] = (PROSE * 300)[: kilobytes * 1024]
    context = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1))
    span = ReadableSpan("chat", context, resource=Resource({}), attributes=attributes)
    return lambda: cleaner.span(span)
