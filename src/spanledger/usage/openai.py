"""Usage blocks in OpenAI's dialects, from OpenAI and from all who imitate it.

Input includes what was cached, output includes reasoning. Imitators leave details out, send
``null``, or report parts outside the whole; what can be repaired from ``total_tokens`` is.
A usage without readable totals, or with both totals 0, is ``MISSING``: no call uses nothing.
A detail that is there but unreadable leaves its tokens in the whole and makes the usage
``estimated``.
"""

from collections.abc import Mapping
from typing import NamedTuple

from spanledger.lean import make
from spanledger.usage._read import UNREADABLE, Parts, count, plain, text, view
from spanledger.usage._usage import MISSING, Usage

__all__ = [
    "from_chat",
    "from_completions",
    "from_embeddings",
    "from_images",
    "from_responses",
    "from_transcription",
]


def from_chat(usage: object, *, service_tier: str | None = None, batch: bool = False) -> Usage:
    """The usage of a chat completion (or of the chunk of a stream that carries it).

    ``service_tier`` is the response's own: it stands beside its usage, not in it.
    """
    seen = view(usage)
    blocks = (
        seen,
        ("prompt_tokens", "completion_tokens"),
        view(seen.get("prompt_tokens_details")),
        view(seen.get("completion_tokens_details")),
    )
    return _read(make(_Blocks, blocks), service_tier, batch=batch)


def from_completions(
    usage: object, *, service_tier: str | None = None, batch: bool = False
) -> Usage:
    """The usage of a legacy text completion: the same block as a chat's."""
    return from_chat(usage, service_tier=service_tier, batch=batch)


def from_responses(
    usage: object,
    *,
    service_tier: str | None = None,
    batch: bool = False,
    web_searches: int = 0,
) -> Usage:
    """The usage of the Responses API (also of realtime, which names parts alike).

    ``web_searches`` is the number of search calls in the response's output: OpenAI charges
    for them but does not count them in the usage.
    """
    seen = view(usage)
    blocks = _Blocks(
        seen,
        ("input_tokens", "output_tokens"),
        _either(seen, "input_tokens_details", "input_token_details"),
        _either(seen, "output_tokens_details", "output_token_details"),
    )
    return _read(blocks, service_tier, batch=batch, web_searches=web_searches)


def from_embeddings(usage: object, *, batch: bool = False) -> Usage:
    """The usage of an embeddings call: input only."""
    seen = view(usage)
    tokens = count(seen, "prompt_tokens")
    if tokens is None:
        tokens = count(seen, "total_tokens")
    if not tokens or tokens == UNREADABLE:
        return MISSING
    return Usage(input_tokens=tokens, batch=batch)


def from_images(usage: object, svg_usage: object = None) -> Usage:
    """The usage of the Images API: what comes out are pictures, where it does not say otherwise.

    ``svg_usage`` is what another model used to write a drawing. Its price is another one too, so
    the sum of both is ``estimated``.
    """
    found = from_responses(usage)
    if found.source != "missing" and not view(usage).get("output_tokens_details"):
        found = found._replace(output_image_tokens=found.output_tokens)
    drawn = from_responses(svg_usage)
    if MISSING in (found, drawn):
        return found
    return found._replace(
        input_tokens=found.input_tokens + drawn.input_tokens,
        output_tokens=found.output_tokens + drawn.output_tokens,
        source="estimated",
    )


def from_transcription(usage: object) -> Usage:
    """The usage of a transcription or translation; ``MISSING`` where it is given in seconds."""
    return from_responses(usage)


class _Blocks(NamedTuple):
    """Where one dialect keeps its totals and its details."""

    usage: Mapping[str, object]
    names: tuple[str, str]
    into: Mapping[str, object]
    out: Mapping[str, object]


#: Words of imitators, and parts that few calls have: with one of them a usage is not plain.
_RARE = ("prompt_cache_hit_tokens", "cached_tokens", "service_tier")
_RARE_INTO = ("audio_tokens", "image_tokens", "cached_tokens_details")
_RARE_OUT = ("audio_tokens", "image_tokens")


def _read_plain(blocks: _Blocks, service_tier: str | None, *, batch: bool) -> Usage | None:
    """What nearly every reply of OpenAI looks like, in half the time; None for any other.

    Reading with all care (`_read`) calls forty small functions, which took 30 µs of a
    600 µs call; this takes 5.
    """
    seen, (into_name, out_name), source, output = blocks
    for name in _RARE:
        if seen.get(name):
            return None
    for name in _RARE_INTO:
        if source.get(name):
            return None
    for name in _RARE_OUT:
        if output.get(name):
            return None
    counts = plain(
        seen.get(into_name),
        seen.get(out_name),
        seen.get("total_tokens"),
        source.get("cached_tokens"),
        source.get("cache_write_tokens"),
        output.get("reasoning_tokens"),
    )
    if counts is None:
        return None
    into, out, total, read, write, reasoning = counts
    if not (into and out) or into + out != total:
        return None
    batch = batch or service_tier == "batch"
    nothing = 0, 0, 0, 0, 0, 0, 0
    used = (into, out, read, write, 0, reasoning, *nothing, service_tier, batch, "provider")
    return make(Usage, used)


def _read(
    blocks: _Blocks, service_tier: str | None, *, batch: bool, web_searches: int = 0
) -> Usage:
    if not web_searches and (usage := _read_plain(blocks, service_tier, batch=batch)) is not None:
        return usage
    seen, names, source, output = blocks
    totals = _totals(seen, names)
    if totals is None:
        return MISSING
    into, out, gap = totals
    parts = Parts()
    read = parts.first(
        (source, "cached_tokens"),
        (seen, "prompt_cache_hit_tokens"),  # DeepSeek
        (seen, "cached_tokens"),  # Moonshot
    )
    write = parts.read(source, "cache_write_tokens")
    into, out = _whole(into, out, gap, read + write)
    audio, image = parts.read(source, "audio_tokens"), parts.read(source, "image_tokens")
    by_kind = view(source.get("cached_tokens_details"))
    # Chat says how much was cached and how much was audio, not how much was both: at least
    # what would not fit into the input otherwise.
    both = min(read + audio + image + write - into, read, audio)
    tier = service_tier or text(seen, "service_tier")
    return Usage(
        input_tokens=into,
        output_tokens=out,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=parts.read(output, "reasoning_tokens"),
        input_audio_tokens=audio,
        cache_read_audio_tokens=max(parts.read(by_kind, "audio_tokens"), both),
        output_audio_tokens=parts.read(output, "audio_tokens"),
        input_image_tokens=image,
        cache_read_image_tokens=parts.read(by_kind, "image_tokens"),
        output_image_tokens=parts.read(output, "image_tokens"),
        web_searches=web_searches,
        service_tier=tier,
        batch=batch or tier == "batch",
        source="estimated" if parts.damaged else "provider",
    )


def _either(seen: Mapping[str, object], name: str, realtime_name: str) -> Mapping[str, object]:
    found = seen.get(name)
    return view(seen.get(realtime_name) if found is None else found)


def _totals(seen: Mapping[str, object], names: tuple[str, str]) -> tuple[int, int, int] | None:
    """Input, output, and what ``total_tokens`` holds beyond both.

    Where one of the two is not sent it is the rest of the total.
    """
    into, out, total = (count(seen, name) for name in (*names, "total_tokens"))
    if UNREADABLE in (into, out) or (into is None and out is None):
        return None
    total = 0 if total is None or total == UNREADABLE else total
    if into is None or out is None:
        known = into or out or 0
        if total <= known:
            return None
        return (known, total - known, 0) if out is None else (total - known, known, 0)
    return (into, out, max(0, total - into - out)) if into or out else None


def _whole(into: int, out: int, gap: int, cached: int) -> tuple[int, int]:
    """Put what only the total holds where it belongs.

    A server that reports cached tokens beside the input leaves exactly those out. Else it is
    thinking, which xAI and Gemini's imitation leave out of the output.
    """
    return (into + gap, out) if gap == cached else (into, out + gap)
