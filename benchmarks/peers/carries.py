"""What the spans of a candidate carry: read out of attributes by the names each of them uses."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.work import USAGE

#: USD; from the providers' price lists, worked out by hand.
COSTS = {
    "plain": 0.0000738,
    "cached": 0.00472,
    "reasoning": 0.00528,
    "cached and reasoning": 0.0018696,
    "stream": 0.00472,
    "stream, usage not asked for": 0.0000738,
    "responses": 0.0018696,
}
_MODELS = {
    "plain": "gpt-4o-mini",
    "cached": "gpt-4o",
    "reasoning": "o4-mini",
    "cached and reasoning": "gpt-5-mini",
    "stream": "gpt-4o",
    "stream, usage not asked for": "gpt-4o-mini",
    "responses": "gpt-5-mini",
}
_OUTPUT = (
    "gen_ai.usage.output_tokens",
    "llm.token_count.completion",
    "output_tokens",
    "completion_tokens",
    "output",
)
_CACHED = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.details.cached_tokens",
    "llm.token_count.prompt_details.cache_read",
    "input_cached_tokens",
    "cached_tokens",
)
_REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "gen_ai.usage.details.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "output_reasoning_tokens",
    "reasoning_tokens",
)
_NANO_USD = "spanledger.cost.nano_usd"
_COST = ("gen_ai.usage.cost", "operation.cost", "llm.cost.total", "total")
_STATUS = ("spanledger.error.http_status_code", "http.response.status_code", "http.status_code")
#: Attributes whose value is JSON with numbers of usage and cost in it.
_BLOBS = (
    "langfuse.observation.usage_details",
    "langfuse.observation.cost_details",
    "gen_ai.usage.raw",
    "response_data",
)


def _numbers(value: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from _numbers(inner)


def _fields(span: dict[str, Any]) -> dict[str, Any]:
    """Attributes, and what is inside those that hold JSON."""
    fields: dict[str, Any] = {}
    for name in _BLOBS:
        try:
            fields |= dict(_numbers(json.loads(span["attributes"].get(name, "{}"))))
        except (TypeError, ValueError):
            continue
    return {**fields, **span["attributes"]}


def _first(spans: list[dict[str, Any]], names: tuple[str, ...]) -> Any:
    for span in spans:
        fields = _fields(span)
        for name in names:
            if name in fields and fields[name] not in (None, ""):
                return fields[name]
    return None


def _says(spans: list[dict[str, Any]], text: str) -> bool:
    return text in json.dumps(spans)


def _is(value: Any, expected: float) -> bool:
    try:
        return abs(float(value) - expected) <= expected * 1e-6
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Carried:
    """One candidate's row of the table."""

    candidate: str
    spans: int
    """Of one plain call."""
    output_tokens: int
    """Cases of seven whose output tokens are right."""
    cached_tokens: bool
    reasoning_tokens: bool
    cost: int
    """Cases of seven whose cost is right to a millionth."""
    unknown_model: str
    stream_left: str
    http_status: bool
    provider_code: bool


def _cost_usd(spans: list[dict[str, Any]]) -> Any:
    nano_usd = _first(spans, (_NANO_USD,))
    return _first(spans, _COST) if nano_usd is None else nano_usd / 1e9


def _unknown(spans: list[dict[str, Any]]) -> str:
    if _says(spans, "price_unknown"):
        return "refused"
    cost = _cost_usd(spans)
    if cost is None:
        return "no cost"
    return "free" if float(cost) == 0 else "a price"


def _left(spans: list[dict[str, Any]]) -> str:
    if not spans:
        return "no span"
    return "span, no tokens" if _first(spans, _OUTPUT) is None else "span, tokens"


def read(candidate: str, found: dict[str, list[dict[str, Any]]]) -> Carried:
    """The row of a candidate out of its spans by case."""
    usage = {case: USAGE[model] for case, model in _MODELS.items()}
    return Carried(
        candidate=candidate,
        spans=len(found["plain"]),
        output_tokens=sum(
            _is(_first(found[case], _OUTPUT), used.output_tokens) for case, used in usage.items()
        ),
        cached_tokens=_is(_first(found["cached"], _CACHED), usage["cached"].cached_tokens),
        reasoning_tokens=_is(
            _first(found["reasoning"], _REASONING), usage["reasoning"].reasoning_tokens
        ),
        cost=sum(_is(_cost_usd(found[case]), cost) for case, cost in COSTS.items()),
        unknown_model=_unknown(found["unknown model"]),
        stream_left=_left(found["stream left"]),
        http_status=_is(_first(found["error"], _STATUS), 429),
        provider_code=_says(found["error"], "insufficient_quota"),
    )
