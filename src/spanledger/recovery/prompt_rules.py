"""How a prompt is changed after a failure: rules as data. Pure.

A rule is a line of `RULES`: for which kind of failure, what the model is told, which part of the
conversation and of the output limit stays. Bring your own: ``rules=(MINE, *RULES)``; the first
rule for a kind is the one that holds.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from spanledger.recovery._messages import Message, drop_oldest, said_to_the_model
from spanledger.recovery.failures import Failure, Kind

#: Makes a conversation shorter: messages, and the part of them that may stay (0 to 1).
Shorten = Callable[[Sequence[Message], float], Sequence[Message]]

_MESSAGES = ("messages", "input")
_OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_LONGEST_SCHEMA = 4000


@dataclass(frozen=True, slots=True)
class PromptRule:
    """What is changed after one kind of failure. Raises `ValueError` for shares of no use."""

    name: str
    kind: Kind
    say: str = ""
    """Told to the model; may hold ``{error}``, ``{schema}`` and ``{tool}``."""
    keep: float = 1.0
    """The part of the conversation that stays."""
    output: float = 1.0
    """The part of the output limit that stays, where the request has one."""

    def __post_init__(self) -> None:
        if not (0 < self.keep <= 1 and 0 < self.output <= 1):
            raise ValueError(
                f"prompt rule {self.name!r}: keep is {self.keep!r}, output is {self.output!r}; "
                "both must be above 0 and at most 1"
            )


RULES: tuple[PromptRule, ...] = (
    PromptRule("shorten", "context_too_long", keep=0.5),
    PromptRule(
        "restate_schema",
        "invalid_answer",
        say="Your last answer could not be used: {error}\nAnswer again with valid JSON and "
        "nothing else.{schema}",
    ),
    PromptRule(
        "show_validation_error",
        "invalid_arguments",
        say="The tool {tool} refused its arguments: {error}\nCall it again with arguments that "
        "fit its description.",
    ),
    PromptRule(
        "soften",
        "content_filter",
        say="Keep to neutral, factual language. Leave out any detail that may hurt somebody; "
        "say what you left out.",
    ),
    PromptRule(
        "ask_for_less",
        "timeout",
        say="Answer briefly: only what matters most.",
        output=0.5,
    ),
)


class Adaptation(NamedTuple):
    """A request that was changed, and by which rule."""

    request: dict[str, Any]
    rule: PromptRule


def adapted(
    request: Mapping[str, Any],
    failure: Failure,
    rules: Sequence[PromptRule] = RULES,
    shorten: Shorten = drop_oldest,
) -> Adaptation | None:
    """The request of the next try; None if no rule is for this failure, or it changes nothing."""
    rule = next((rule for rule in rules if rule.kind == failure.kind), None)
    if rule is None:
        return None
    changed = {**request, **_messages(request, rule, failure, shorten), **_less(request, rule)}
    return Adaptation(changed, rule) if changed != dict(request) else None


def _messages(
    request: Mapping[str, Any], rule: PromptRule, failure: Failure, shorten: Shorten
) -> dict[str, Any]:
    name = next((n for n in _MESSAGES if request.get(n)), None)
    if name is None:
        return {}
    found: Any = request[name]
    text = _said(rule, failure, request)
    if isinstance(found, str):
        return {name: f"{found}\n\n{text}" if text else found}
    kept: Sequence[Message] = list(found)
    if rule.keep < 1:
        kept = list(shorten(kept, rule.keep))
    return {name: said_to_the_model(kept, text) if text else kept}


def _said(rule: PromptRule, failure: Failure, request: Mapping[str, Any]) -> str:
    if not rule.say:
        return ""
    schema = failure.schema if failure.schema is not None else _schema_in(request)
    shown = "" if schema is None else f" It must fit this schema: {_as_text(schema)}"
    # Not `format`: an error may well hold braces, and only these three are ours.
    text = rule.say.replace("{tool}", failure.tool).replace("{schema}", shown)
    return text.replace("{error}", failure.detail)


def _schema_in(request: Mapping[str, Any]) -> Any:
    """The schema that an OpenAI request asks for, if it does."""
    wanted: Any = request.get("response_format")
    inner = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    return inner.get("schema") if isinstance(inner, Mapping) else None


def _as_text(schema: Any) -> str:
    text = schema if isinstance(schema, str) else json.dumps(schema, default=str)
    return text[:_LONGEST_SCHEMA]


def _less(request: Mapping[str, Any], rule: PromptRule) -> dict[str, int]:
    if rule.output == 1:
        return {}
    limits = {name: request.get(name) for name in _OUTPUT_LIMITS}
    return {n: max(1, int(v * rule.output)) for n, v in limits.items() if isinstance(v, int)}
