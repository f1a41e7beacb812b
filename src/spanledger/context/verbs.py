"""The five verbs on contexts that agents call through tools: JSON in, JSON out.

Each takes the messages of a request as they would be sent, and only calls the functions of this
room. Errors are those of the functions.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from spanledger.context._compression import Compression
from spanledger.context._messages import Message
from spanledger.context._plan import System
from spanledger.context.analysis import analyze
from spanledger.context.counting import count_messages, count_tokens
from spanledger.context.errors import ContextError
from spanledger.context.strategies import (
    Summariser,
    extractive_summary,
    keep_important,
    sliding_window,
    summarize,
)

__all__ = [
    "context_analyze",
    "context_estimate_tokens",
    "context_optimize",
    "context_summarize",
    "context_truncate",
]

Messages = Sequence[Message]


def context_analyze(
    messages: Messages,
    model: str,
    system: System = None,
    provider: str = "",
    expected_output_tokens: int = 0,
) -> dict[str, Any]:
    """Tokens and importance of each message, cost of the next call, what to do."""
    found = analyze(
        messages,
        model,
        system=system,
        provider=provider,
        expected_output_tokens=expected_output_tokens,
    )
    answer = asdict(found)
    answer["messages"] = list(answer["messages"])
    nano_usd = found.next_call_nano_usd
    answer["next_call_usd"] = None if nano_usd is None else f"{nano_usd / 10**9:.9f}"
    return {**answer, **{key: list(answer[key]) for key in ("problems", "recommendations")}}


def context_optimize(
    messages: Messages,
    model: str,
    limit_tokens: int,
    system: System = None,
    provider: str = "",
    keep_last: int = 4,
    pinned: Sequence[int] = (),
) -> dict[str, Any]:
    """The messages that matter most within a limit, by `keep_important`."""
    return _answer(
        keep_important(
            messages,
            limit_tokens,
            model=model,
            system=system,
            provider=provider,
            keep_last=keep_last,
            pinned=pinned,
        )
    )


def context_truncate(
    messages: Messages,
    model: str,
    limit_tokens: int,
    system: System = None,
    provider: str = "",
    keep_last: int = 1,
    pinned: Sequence[int] = (),
) -> dict[str, Any]:
    """The newest messages within a limit, by `sliding_window`."""
    return _answer(
        sliding_window(
            messages,
            limit_tokens,
            model=model,
            system=system,
            provider=provider,
            keep_last=keep_last,
            pinned=pinned,
        )
    )


def context_summarize(
    messages: Messages,
    model: str,
    limit_tokens: int,
    system: System = None,
    provider: str = "",
    keep_last: int = 4,
    pinned: Sequence[int] = (),
    summariser: Summariser | None = None,
) -> dict[str, Any]:
    """The newest messages and a summary of the rest. Without a summariser no model is asked."""

    def extract(text: str, max_tokens: int) -> str:
        return extractive_summary(text, max_tokens, model=model)

    return _answer(
        summarize(
            messages,
            limit_tokens,
            summariser or extract,
            model=model,
            system=system,
            provider=provider,
            keep_last=keep_last,
            pinned=pinned,
        )
    )


def context_estimate_tokens(
    model: str,
    text: str | None = None,
    messages: Messages | None = None,
    system: System = None,
    provider: str = "",
) -> dict[str, Any]:
    """How many tokens a text, or a request with these messages, has for a model.

    Raises:
        ContextError: not exactly one of both is given.
    """
    if (text is None) == (messages is None):
        raise ContextError("give either `text` or `messages`")
    if text is not None:
        return count_tokens(text, model)._asdict()
    return count_messages(messages or (), model, system=system, provider=provider)._asdict()


def _answer(done: Compression) -> dict[str, Any]:
    answer = {key: value for key, value in asdict(done).items() if key != "summary_at"}
    lists = {key: list(answer[key]) for key in ("messages", "kept", "dropped")}
    return {**answer, **lists, "saved_tokens": done.saved_tokens}
