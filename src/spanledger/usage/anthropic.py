"""Usage blocks of Anthropic's Messages API, plain and streamed.

Anthropic's ``input_tokens`` leave out what was read from or written to the prompt cache; here
they include it. A usage without readable totals, or with no tokens at all, is ``MISSING``. A
detail that is there but unreadable makes the usage ``estimated``.
"""

from collections.abc import Mapping

from spanledger.usage._read import UNREADABLE, Parts, count, text, view
from spanledger.usage._usage import MISSING, Usage

__all__ = ["from_message", "merge_stream"]

_STANDARD_SPEED = "standard"
_Fields = Mapping[str, object]


def from_message(usage: object) -> Usage:
    """The usage of a message."""
    return _read(view(usage), view(None))


def merge_stream(start: object, delta: object) -> Usage:
    """The usage of a stream: that of ``message_start``, and the last of ``message_delta``.

    Counts of a delta are cumulative, so the newer one replaces the older. Without a delta
    (the stream was cut) the input is known and the output is only what had been made when
    the stream began: the usage is ``estimated``.
    """
    usage = _read(view(start), view(delta))
    if delta is None and usage.source == "provider":
        return usage.with_source("estimated")
    return usage


def _read(start: _Fields, delta: _Fields) -> Usage:
    fresh, out = _newest(start, delta, "input_tokens"), _newest(start, delta, "output_tokens")
    if fresh is None or out is None or UNREADABLE in (fresh, out):
        return MISSING
    parts = Parts()
    read = parts.first((delta, "cache_read_input_tokens"), (start, "cache_read_input_tokens"))
    write, write_1h = _writes(parts, start, delta)
    if not (fresh or read or write or out):
        return MISSING
    tier = text(delta, "service_tier") or text(start, "service_tier")
    speed = text(delta, "speed") or text(start, "speed")
    return Usage(
        input_tokens=fresh + read + write,
        output_tokens=out,
        cache_read_tokens=read,
        cache_write_tokens=write,
        cache_write_1h_tokens=write_1h,
        reasoning_tokens=_nested(parts, start, delta, "output_tokens_details", "thinking_tokens"),
        web_searches=_nested(parts, start, delta, "server_tool_use", "web_search_requests"),
        # Fast mode is a price of its own, the tier is not; one field carries both.
        service_tier=speed if speed and speed != _STANDARD_SPEED else tier,
        batch=tier == "batch",
        source="estimated" if parts.damaged else "provider",
    )


def _newest(start: _Fields, delta: _Fields, name: str) -> int | None:
    """A total: the delta's, unless it says nothing or less than the start did.

    Imitators send 0 input tokens in their deltas; a cumulative count never falls.
    """
    new, old = count(delta, name), count(start, name)
    if new is None or old is None:
        return old if new is None else new
    return UNREADABLE if UNREADABLE in (new, old) else max(new, old)


def _writes(parts: Parts, start: _Fields, delta: _Fields) -> tuple[int, int]:
    """Tokens written to the cache, and how many of them for one hour."""
    name = "cache_creation_input_tokens"
    total = parts.first((delta, name), (start, name))
    newer = delta.get("cache_creation")
    by_life = view(start.get("cache_creation") if newer is None else newer)
    hour = parts.read(by_life, "ephemeral_1h_input_tokens")
    return max(total, hour + parts.read(by_life, "ephemeral_5m_input_tokens")), hour


def _nested(parts: Parts, start: _Fields, delta: _Fields, block: str, name: str) -> int:
    return parts.first((view(delta.get(block)), name), (view(start.get(block)), name))
