"""What a context consists of, what it costs, and what to do about it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanledger import pricing
from spanledger.context._advice import Facts, advice
from spanledger.context._importance import importances
from spanledger.context._messages import Dialect, Message, dialect_of, views
from spanledger.context._plan import System
from spanledger.context._rules import problems
from spanledger.context._words import words_of
from spanledger.context.counting import Counter
from spanledger.usage import Usage

__all__ = ["Analysis", "MessageAnalysis", "analyze"]


@dataclass(frozen=True, slots=True)
class MessageAnalysis:
    """One message of a context."""

    index: int
    role: str
    tokens: int
    importance: float
    """From 0 to 1; the formula stands in ``docs/context.md``."""
    share: float
    """Of the tokens of the whole context."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A context, measured."""

    model: str
    dialect: Dialect
    tokens: int
    """Input tokens of the next call, without the schemas of tools."""
    method: str
    """How they were counted."""
    exact: bool
    window_tokens: int | None
    """What the model takes; None: not known."""
    utilisation: float | None
    """The share of the window that is used."""
    next_call_nano_usd: int | None
    """What the next call costs at its input and `expected_output_tokens`; None: unpriced."""
    price_version: str
    messages: tuple[MessageAnalysis, ...]
    problems: tuple[str, ...]
    """What the provider would refuse."""
    recommendations: tuple[str, ...]
    """What to do, the most pressing first."""


def analyze(
    messages: Sequence[Message],
    model: str,
    *,
    system: System = None,
    provider: str = "",
    window_tokens: int | None = None,
    expected_output_tokens: int = 0,
    service_tier: str | None = None,
    priorities: Mapping[int, float] | None = None,
    at_s: float | None = None,
) -> Analysis:
    """Measure a context for its next call.

    Args:
        messages: OpenAI's or Anthropic's messages.
        model: Which model they go to.
        system: A system prompt that is sent beside them.
        provider: As in the price data; empty: guessed from the model.
        window_tokens: Instead of the window that the price data knows.
        expected_output_tokens: Added to the cost of the next call.
        service_tier: Its service tier.
        priorities: Importance (0 to 1) of messages by index; the others' is computed.
        at_s: When the call is made, in seconds since 1970; None: now.

    Raises:
        InvalidMessage: a message is of no known kind.
    """
    counter = Counter.of(model, provider)
    seen = views(messages)
    dialect = dialect_of(messages, model)
    tokens = [counter.seen(message) for message in seen]
    total = counter.base(system) + sum(tokens)
    window = window_tokens or pricing.limits(provider, model).context_window_tokens
    usage = Usage(total, expected_output_tokens, source="estimated")
    at = time.time() if at_s is None else at_s
    cost = pricing.price(provider, model, usage, at=at, service_tier=service_tier)
    weights = importances(seen, words_of(seen), priorities)
    wrong = problems(seen, dialect)
    priced = cost.nano_usd is not None
    facts = Facts(seen, tokens, total, window, counter.exact, priced, wrong)
    return Analysis(
        model=model,
        dialect=dialect,
        tokens=total,
        method=counter.method,
        exact=counter.exact,
        window_tokens=window,
        utilisation=round(total / window, 4) if window else None,
        next_call_nano_usd=cost.nano_usd,
        price_version=cost.price_version,
        messages=tuple(
            MessageAnalysis(i, message.role, count, weight, round(count / total, 4))
            for i, (message, count, weight) in enumerate(zip(seen, tokens, weights, strict=True))
        ),
        problems=tuple(wrong),
        recommendations=tuple(advice(facts)),
    )
