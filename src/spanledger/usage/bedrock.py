"""Usage of Amazon Bedrock: of Converse, and of the many dialects of InvokeModel.

Converse and Nova leave what was read from or written to the prompt cache out of their input, as
Anthropic does; here it is part of it. An InvokeModel body is in its model's own dialect, which is
told by its shape: behind the name of an inference profile any model may stand. Where a body says
nothing, the headers of the reply do, and at the end of a stream Bedrock's own metrics.
"""

from collections.abc import Mapping
from typing import Final

from spanledger.usage import anthropic, openai
from spanledger.usage._read import UNREADABLE, Parts, count, text, view
from spanledger.usage._usage import MISSING, Usage

__all__ = ["METRICS", "from_converse", "from_headers", "from_invoke", "from_metrics"]

METRICS: Final = "amazon-bedrock-invocationMetrics"
"""The key under which the last chunk of an InvokeModel stream says what it used."""

#: Headers of a reply to InvokeModel, by the names that `from_metrics` reads.
_HEADERS: Final = {
    "x-amzn-bedrock-input-token-count": "inputTokenCount",
    "x-amzn-bedrock-output-token-count": "outputTokenCount",
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokenCount",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokenCount",
}
_HOUR: Final = "1h"
_PLAIN_TIERS: Final = frozenset({"default"})

_Fields = Mapping[str, object]


def from_converse(usage: object, *, service_tier: str | None = None) -> Usage:
    """The usage of Converse, or of the last event of ConverseStream; also Nova's own."""
    seen = view(usage)
    fresh, out = count(seen, "inputTokens"), count(seen, "outputTokens")
    if fresh is None or UNREADABLE in (fresh, out):
        return MISSING
    parts = Parts()
    read = parts.first((seen, "cacheReadInputTokens"), (seen, "cacheReadInputTokenCount"))
    write = parts.first((seen, "cacheWriteInputTokens"), (seen, "cacheWriteInputTokenCount"))
    return _usage(
        (fresh, out or 0, read, write), parts, hour=_hour(parts, seen), service_tier=service_tier
    )


def from_metrics(metrics: object, *, service_tier: str | None = None) -> Usage:
    """Bedrock's own metrics of an InvokeModel stream."""
    seen = view(metrics)
    fresh, out = count(seen, "inputTokenCount"), count(seen, "outputTokenCount")
    if fresh is None or UNREADABLE in (fresh, out):
        return MISSING
    parts = Parts()
    read = parts.read(seen, "cacheReadInputTokenCount")
    write = parts.read(seen, "cacheWriteInputTokenCount")
    return _usage((fresh, out or 0, read, write), parts, service_tier=service_tier)


def from_headers(headers: object, *, service_tier: str | None = None) -> Usage:
    """What the headers of a reply to InvokeModel say, with names in lower case."""
    seen = view(headers)
    found = {ours: _digits(seen.get(name)) for name, ours in _HEADERS.items()}
    return from_metrics(found, service_tier=service_tier)


def from_invoke(body: object, *, service_tier: str | None = None) -> Usage:
    """The usage in the body of a reply to InvokeModel, in whatever dialect it is."""
    seen = view(body)
    block = view(seen.get("usage"))
    if "inputTokens" in block:
        return from_converse(block, service_tier=service_tier)
    if "input_tokens" in block:
        return _with_tier(anthropic.from_message(block), service_tier)
    if block:
        return openai.from_chat(block, service_tier=_tier(service_tier))
    if "inputTextTokenCount" in seen:
        return _titan(seen, service_tier)
    if "generation_token_count" in seen:
        return _llama(seen, service_tier)
    return _billed(view(view(seen.get("meta")).get("billed_units")), service_tier)


def _titan(seen: _Fields, service_tier: str | None) -> Usage:
    """Amazon Titan: a stream repeats the count of the input, and adds up the output."""
    parts = Parts()
    results = seen.get("results")
    made = [view(r) for r in results] if isinstance(results, list) else []
    out = sum(parts.read(r, "tokenCount") for r in made)
    out = out or parts.read(seen, "totalOutputTextTokenCount")
    into = parts.read(seen, "inputTextTokenCount")
    return _usage((into, out, 0, 0), parts, service_tier=service_tier)


def _llama(seen: _Fields, service_tier: str | None) -> Usage:
    parts = Parts()
    into = parts.read(seen, "prompt_token_count")
    out = parts.read(seen, "generation_token_count")
    return _usage((into, out, 0, 0), parts, service_tier=service_tier)


def _billed(units: _Fields, service_tier: str | None) -> Usage:
    """Cohere, where it says what it bills."""
    parts = Parts()
    into, out = parts.read(units, "input_tokens"), parts.read(units, "output_tokens")
    return _usage((into, out, 0, 0), parts, service_tier=service_tier)


def _usage(
    counts: tuple[int, int, int, int],
    parts: Parts,
    *,
    hour: int = 0,
    service_tier: str | None = None,
) -> Usage:
    fresh, out, read, write = counts
    if not any(counts):
        return MISSING
    return Usage(
        input_tokens=fresh + read + write,
        output_tokens=out,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=min(hour, write),
        service_tier=_tier(service_tier),
        source="estimated" if parts.damaged else "provider",
    )


def _hour(parts: Parts, seen: _Fields) -> int:
    """Tokens that were written to the cache for one hour."""
    details = seen.get("cacheDetails")
    found = [view(d) for d in details] if isinstance(details, list) else []
    return sum(parts.read(d, "inputTokens") for d in found if text(d, "ttl") == _HOUR)


def _with_tier(usage: Usage, service_tier: str | None) -> Usage:
    tier = _tier(service_tier)
    return usage if tier is None or usage is MISSING else usage._replace(service_tier=tier)


def _tier(service_tier: str | None) -> str | None:
    return None if service_tier is None or service_tier in _PLAIN_TIERS else service_tier


def _digits(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
