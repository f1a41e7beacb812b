"""Usage of Gemini's dialect, from the Gemini API and from Vertex AI.

``promptTokenCount`` includes what was read from a cache; the results of tools that the provider
ran (``toolUsePromptTokenCount``) and the model's thoughts are counted beside prompt and candidates,
and belong to input and output. What only ``totalTokenCount`` holds is output: thinking that a
server did not name. A usage without readable totals, or with no tokens at all, is ``MISSING``.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from spanledger.usage._read import UNREADABLE, Parts, count, plain, text, view
from spanledger.usage._usage import MISSING, Usage

__all__ = ["from_embeddings", "from_generate_content", "from_predictions", "grounded_searches"]

#: Vertex says in which way a request was served; a plain one is no tier.
_TIERS: Final[dict[str, str]] = {"on_demand_priority": "priority", "on_demand_flex": "flex"}
_PLAIN_TIERS: Final = frozenset({"standard", "unspecified"})
_TOTALS: Final = ("promptTokenCount", "candidatesTokenCount", "totalTokenCount")
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")

_Fields = Mapping[str, object]


def from_generate_content(
    usage: object, *, service_tier: str | None = None, web_searches: int = 0
) -> Usage:
    """The usage of an answer, or of the last chunk of a stream: they are cumulative.

    Takes the ``usageMetadata`` of the wire, or the client's own object. ``web_searches``: see
    `grounded_searches`; they are charged for and are not in the usage.
    """
    seen = _wire_names(view(usage))
    into, out = _totals(seen)
    if UNREADABLE in (into, out) or not (into or out):
        return MISSING
    parts = Parts()
    tools = parts.read(seen, "toolUsePromptTokenCount")
    thoughts = parts.read(seen, "thoughtsTokenCount")
    total = parts.read(seen, "totalTokenCount")
    unnamed = max(0, total - into - tools - out - thoughts)
    prompt = _by_modality(parts, seen, "promptTokensDetails", "toolUsePromptTokensDetails")
    cached = _by_modality(parts, seen, "cacheTokensDetails")
    made = _by_modality(parts, seen, "candidatesTokensDetails")
    return Usage(
        input_tokens=into + tools,
        output_tokens=out + thoughts + unnamed,
        cache_read_tokens=parts.read(seen, "cachedContentTokenCount"),
        reasoning_tokens=thoughts + unnamed,
        input_audio_tokens=prompt.get("audio", 0),
        cache_read_audio_tokens=cached.get("audio", 0),
        output_audio_tokens=made.get("audio", 0),
        input_image_tokens=prompt.get("image", 0),
        cache_read_image_tokens=cached.get("image", 0),
        output_image_tokens=made.get("image", 0),
        web_searches=web_searches,
        service_tier=_tier(service_tier, seen),
        source="estimated" if parts.damaged else "provider",
    )


def from_embeddings(usage: object) -> Usage:
    """The ``usageMetadata`` of embeddings: input only."""
    return from_generate_content(usage)._replace(output_tokens=0, reasoning_tokens=0)


def from_predictions(predictions: object) -> Usage:
    """The usage of Vertex's older embeddings, which count the tokens of each text."""
    parts, total = Parts(), 0
    for prediction in _each(predictions):
        statistics = view(view(prediction.get("embeddings")).get("statistics"))
        total += parts.read(statistics, "token_count")
    if not total:
        return MISSING
    return Usage(input_tokens=total, source="estimated" if parts.damaged else "provider")


def grounded_searches(candidates: object, model: str) -> int:
    """Searches of the web that are charged for: each query, up to Gemini 2.5 each answer."""
    queries = [
        query
        for candidate in _each(candidates)
        for query in _list(view(candidate.get("groundingMetadata")).get("webSearchQueries"))
    ]
    return min(1, len(queries)) if model.startswith(("gemini-1", "gemini-2")) else len(queries)


def _wire_names(seen: _Fields) -> _Fields:
    """The fields under their names on the wire; the client's objects write them in snake case."""
    if "promptTokenCount" in seen or "totalTokenCount" in seen:
        return seen
    names = (*_TOTALS, "toolUsePromptTokenCount", "thoughtsTokenCount", "cachedContentTokenCount",
             "promptTokensDetails", "toolUsePromptTokensDetails", "cacheTokensDetails",
             "candidatesTokensDetails", "trafficType", "serviceTier")  # fmt: skip
    return {name: seen.get(_snake(name)) for name in names}


def _snake(name: str) -> str:
    return _CAPITAL.sub("_", name).lower()


def _totals(seen: _Fields) -> tuple[int, int]:
    """Prompt and candidates; a count that is 0 is left out on the wire."""
    if (found := plain(*map(seen.get, _TOTALS))) is not None:
        return found[0], found[1]
    return count(seen, "promptTokenCount") or 0, count(seen, "candidatesTokenCount") or 0


def _by_modality(parts: Parts, seen: _Fields, *names: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:
        for detail in _each(seen.get(name)):
            kind = detail.get("modality")
            word = str(getattr(kind, "value", kind)).lower()
            tokens = parts.first((detail, "tokenCount"), (detail, "token_count"))
            found[word] = found.get(word, 0) + tokens
    return found


def _tier(service_tier: str | None, seen: _Fields) -> str | None:
    traffic = text(seen, "trafficType")
    tier = service_tier or text(seen, "serviceTier") or _TIERS.get(traffic or "")
    return None if tier is None or tier.lower() in _PLAIN_TIERS else tier.lower()


def _each(values: object) -> Iterator[_Fields]:
    return (view(value) for value in _list(values) if value is not None)


def _list(values: object) -> Iterable[object]:
    return values if isinstance(values, (list, tuple)) else ()
