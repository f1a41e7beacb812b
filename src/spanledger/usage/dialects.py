"""Inference spans of any dialect in one form: who was asked, what was used. Pure.

The table is `spanledger.usage.dialect_table`; here is how it is read. Attributes are whatever
somebody wrote on a span: nothing raises, and nothing unreadable becomes 0.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from spanledger import semconv
from spanledger.usage import dialect_table as table
from spanledger.usage._read import MAX_COUNT, UNREADABLE, Parts, count
from spanledger.usage._usage import MISSING, Usage

__all__ = [
    "Inference",
    "Row",
    "canonical",
    "client_of",
    "is_stoppable",
    "operation_of",
    "provider_of",
    "read",
    "rows",
]

Attributes = Mapping[str, Any]

#: Providers whose own input tokens leave the cache out. Not found in a span: found in its model.
_CACHE_APART: Final = frozenset({"anthropic", "aws.bedrock"})
_CACHE_APART_MODELS: Final = ("claude", "anthropic")


class Inference(NamedTuple):
    """One provider call, as a span of somebody else tells it."""

    operation: str
    provider: str
    """In the conventions' words; empty if the span does not say."""
    request_model: str
    response_model: str
    response_id: str
    conversation: str
    user: str
    usage: Usage
    foreign_cost_usd: float | None
    """What the span says it has cost, in US dollars. Nobody is billed for it."""

    @property
    def model(self) -> str:
        """The model that answered, else the one that was asked."""
        return self.response_model or self.request_model


class Row(NamedTuple):
    """One line of the table in its flat form, for generators: all fields are texts."""

    table: str
    """``alias``, ``operation``, ``provider``, ``input``, ``client_of_scope``, …"""
    name: str
    """The conventions' name of an attribute; else whose value is translated."""
    foreign: str
    """What others write."""
    value: str
    """What it means; for an alias its rank, from 1 (asked first)."""


def operation_of(attributes: Attributes) -> str | None:
    """The operation of a span that stands for a provider call; None for every other span."""
    if attributes.get(semconv.OPERATION_NAME) in table.OTHERS:
        return None
    for name, values in table.OPERATIONS.items():
        value = attributes.get(name)
        if value is not None and (found := values.get(str(value)) or values.get("*")):
            return found
    return None


def provider_of(attributes: Attributes) -> str:
    """The provider in the conventions' words; empty if none is named."""
    value = _text(attributes, semconv.PROVIDER_NAME).lower()
    if value in table.PROVIDERS:
        return table.PROVIDERS[value]
    # Vercel's SDK says which of a provider's interfaces it used: ``openai.responses``.
    head, _, tail = value.rpartition(".")
    if tail in {"chat", "completion", "embedding", "messages", "responses"}:
        return table.PROVIDERS.get(head, head)
    return value


def client_of(scope: str, provider: str) -> str:
    """The client library (its name on PyPI) behind a span; empty if that can't be told."""
    found = _of_scope(table.CLIENTS_OF_SCOPES, scope)
    return found or table.CLIENTS_OF_PROVIDERS.get(provider, "")


def is_stoppable(scope: str) -> bool:
    """Whether a refusal at the start of a span of `scope` keeps its library from sending."""
    return any(_is_of(name, scope) for name in table.STOPPABLE)


def read(attributes: Attributes, scope: str = "") -> Inference | None:
    """What a span of the instrumentation `scope` tells of a call; None if it is of none."""
    operation = operation_of(attributes)
    if operation is None:
        return None
    provider = provider_of(attributes)
    asked, answered = (
        _text(attributes, semconv.REQUEST_MODEL),
        _text(attributes, semconv.RESPONSE_MODEL),
    )
    return Inference(
        operation=operation,
        provider=provider,
        request_model=asked,
        response_model=answered,
        response_id=_text(attributes, semconv.RESPONSE_ID),
        conversation=_text(attributes, semconv.CONVERSATION_ID),
        user=_text(attributes, semconv.USER_ID),
        usage=_usage(attributes, operation, scope, provider, (answered or asked).lower()),
        foreign_cost_usd=_foreign_cost(attributes),
    )


def canonical(found: Inference) -> dict[str, Any]:
    """The call under the names of the conventions. What is not known is left out."""
    texts = {
        semconv.OPERATION_NAME: found.operation,
        semconv.PROVIDER_NAME: found.provider,
        semconv.REQUEST_MODEL: found.request_model or found.response_model,
        semconv.RESPONSE_MODEL: found.response_model,
        semconv.RESPONSE_ID: found.response_id,
        semconv.CONVERSATION_ID: found.conversation,
        semconv.USER_ID: found.user,
    }
    named: dict[str, Any] = {name: value for name, value in texts.items() if value}
    usage = found.usage
    if usage.source == "missing":
        return named
    named[semconv.USAGE_INPUT_TOKENS] = usage.input_tokens
    named[semconv.USAGE_OUTPUT_TOKENS] = usage.output_tokens
    parts = {
        semconv.USAGE_CACHE_READ_TOKENS: usage.cache_read_tokens,
        semconv.USAGE_CACHE_WRITE_TOKENS: usage.cache_write_tokens,
        semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS: usage.cache_write_1h_tokens,
        semconv.USAGE_REASONING_TOKENS: usage.reasoning_tokens,
    }
    return named | {name: tokens for name, tokens in parts.items() if tokens}


def rows() -> Iterator[Row]:
    """The whole table, line by line, in the order in which it is to be asked."""
    for name, aliases in table.ALIASES.items():
        for rank, alias in enumerate((name, *aliases), 1):
            yield Row("alias", name, alias, str(rank))
    for attribute, values in table.OPERATIONS.items():
        for value, operation in values.items():
            yield Row("operation", attribute, value, operation)
    for operation in sorted(table.OTHERS):
        yield Row("no_call", semconv.OPERATION_NAME, operation, "")
    for name, provider in table.PROVIDERS.items():
        yield Row("provider", semconv.PROVIDER_NAME, name, provider)
    for rule in table.INPUTS:
        yield Row("input", rule.provider, rule.scope, rule.input)
    for rank, name in enumerate(table.TOTALS, 1):
        yield Row("total", "", name, str(rank))
    for rank, name in enumerate(table.FOREIGN_COSTS, 1):
        yield Row("foreign_cost", semconv.COST_FOREIGN_USD, name, str(rank))
    for scope, client in table.CLIENTS_OF_SCOPES.items():
        yield Row("client_of_scope", "", scope, client)
    for provider, client in table.CLIENTS_OF_PROVIDERS.items():
        yield Row("client_of_provider", "", provider, client)


# --- inside: reading -----------------------------------------------------------------------


def _text(attributes: Attributes, name: str) -> str:
    for alias in (name, *table.ALIASES[name]):
        value = attributes.get(alias)
        if isinstance(value, str) and value:
            return value
    return ""


def _count(attributes: Attributes, name: str) -> int | None:
    """The first readable count; None if there is none."""
    for alias in (name, *table.ALIASES[name]):
        value = count(attributes, alias)
        if value is not None and value != UNREADABLE:
            return value
    return None


def _foreign_cost(attributes: Attributes) -> float | None:
    for name in table.FOREIGN_COSTS:
        value = attributes.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9:
            return float(value)
    return None


def _usage(attributes: Attributes, operation: str, scope: str, provider: str, model: str) -> Usage:
    into, out = _sums(attributes, operation)
    if into is None or out is None or not (into or out):
        return MISSING
    parts = Parts()

    def part(name: str) -> int:
        return parts.first(*((attributes, alias) for alias in (name, *table.ALIASES[name])))

    read_, write = part(semconv.USAGE_CACHE_READ_TOKENS), part(semconv.USAGE_CACHE_WRITE_TOKENS)
    whole, sure = _whole(into, read_ + write, scope, provider, model)
    tier = _text(attributes, semconv.OPENAI_RESPONSE_SERVICE_TIER).lower()
    return Usage(
        input_tokens=whole,
        output_tokens=out,
        cache_read_tokens=read_,
        cache_write_tokens=write,
        cache_write_1h_tokens=part(semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS),
        reasoning_tokens=part(semconv.USAGE_REASONING_TOKENS),
        input_audio_tokens=part("gen_ai.usage.audio.input_tokens"),
        output_audio_tokens=part("gen_ai.usage.audio.output_tokens"),
        input_image_tokens=part("gen_ai.usage.image.input_tokens"),
        output_image_tokens=part("gen_ai.usage.image.output_tokens"),
        service_tier=tier or None,
        source="provider" if sure and not parts.damaged else "estimated",
    )


def _sums(attributes: Attributes, operation: str) -> tuple[int | None, int | None]:
    """Input and output; one that is missing is what the total leaves for it."""
    into = _count(attributes, semconv.USAGE_INPUT_TOKENS)
    out = _count(attributes, semconv.USAGE_OUTPUT_TOKENS)
    if into is not None and out is not None:
        return into, out
    totals = (count(attributes, name) for name in table.TOTALS)
    total = next((t for t in totals if t is not None and t != UNREADABLE), None)
    if operation in {"embeddings", "rerank"} and out is None:
        return (total if into is None else into), 0
    if total is None or (into is None and out is None):
        return into, out
    return (
        max(0, total - (out or 0)) if into is None else into,
        max(0, total - (into or 0)) if out is None else out,
    )


def _whole(into: int, cached: int, scope: str, provider: str, model: str) -> tuple[int, bool]:
    """The input with its cache, and whether that is sure."""
    if not cached:
        return into, True
    layout = _layout(scope, provider, model)
    # A part can't be more than the whole: whatever the rule says, the whole leaves it out.
    if layout == "exclusive" or cached > into:
        return min(into + cached, MAX_COUNT), True
    return into, layout == "inclusive"


def _layout(scope: str, provider: str, model: str) -> table.Input | None:
    """What is known of a scope's input; None if nothing is."""
    apart = provider in _CACHE_APART or any(name in model for name in _CACHE_APART_MODELS)
    whose = provider or ("anthropic" if apart else "openai")
    for rule in table.INPUTS:
        if _is_of(rule.scope, scope) and rule.provider in {"", whose}:
            return rule.input
    return None if apart else "inclusive"


def _of_scope(values: Mapping[str, str], scope: str) -> str:
    """The value of the longest name that `scope` is, or begins with."""
    name = scope
    while name:
        if name in values:
            return values[name]
        name = name.rpartition(".")[0]
    return ""


def _is_of(name: str, scope: str) -> bool:
    return scope == name or scope.startswith(f"{name}.")
