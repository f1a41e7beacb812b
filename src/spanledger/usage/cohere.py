"""Usage of Cohere's dialect, both versions of its API: chat, embeddings, rankings.

What is charged for (``billed_units``) is less than what was read (``tokens``), which holds the
words that Cohere puts around a request; the first is taken where there is one. A usage without
readable counts, or with no tokens at all, is ``MISSING``; so is that of a ranking, which is charged
by the search.
"""

from collections.abc import Mapping

from spanledger.usage._read import UNREADABLE, Parts, count, view
from spanledger.usage._usage import MISSING, Usage

__all__ = ["from_usage"]


def from_usage(usage: object) -> Usage:
    """The ``usage`` of an answer of version 2, or the ``meta`` of version 1."""
    seen = view(usage)
    found = _totals(view(seen.get("billed_units"))) or _totals(view(seen.get("tokens")))
    if found is None:
        return MISSING
    parts = Parts()
    cached = min(parts.read(seen, "cached_tokens"), found[0])
    return Usage(
        input_tokens=found[0],
        output_tokens=found[1],
        cache_read_tokens=cached,
        source="estimated" if parts.damaged else "provider",
    )


def _totals(seen: Mapping[str, object]) -> tuple[int, int] | None:
    into, out = count(seen, "input_tokens") or 0, count(seen, "output_tokens") or 0
    images = count(seen, "image_tokens") or 0
    if UNREADABLE in (into, out, images) or not (into or out or images):
        return None
    return into + images, out
