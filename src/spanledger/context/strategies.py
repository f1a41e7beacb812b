"""Ways to make a conversation fit.

Each takes OpenAI's or Anthropic's messages and gives a `Compression`, whose messages the provider
accepts: tool calls keep their results and results their calls, Anthropic's turns alternate, system
messages stay as they are, and the whole is never above the limit. Calls without results in the
middle of a conversation, and results without calls, are left out: no provider takes them. What is
given is not changed. Each compression is a span event on the trace that is open.
"""

from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from typing import TypeVar

from spanledger.context._choosing import fits
from spanledger.context._compression import Compression
from spanledger.context._cutting import cut
from spanledger.context._draft import required
from spanledger.context._messages import Dialect, Message, transcript
from spanledger.context._plan import Plan, System, plan
from spanledger.context._summary import Ask, extract, summary_message, summary_steps
from spanledger.context._telling import compressing, told
from spanledger.context.counting import Counter
from spanledger.context.errors import ContextError, ContextTooSmall

__all__ = [
    "AsyncSummariser",
    "Summariser",
    "acompress",
    "asummarize",
    "asummarize_text",
    "compress",
    "extractive_summary",
    "keep_important",
    "sliding_window",
    "summarize",
    "summarize_text",
]

Summariser = Callable[[str, int], str]
"""Given a text and the most tokens that its summary may have, the summary."""
AsyncSummariser = Callable[[str, int], Awaitable[str]]

R = TypeVar("R")

_CHUNK_TOKENS = 6000
_LEAST_SUMMARY_TOKENS = 24
_MOST_SUMMARY_TOKENS = 1000


def sliding_window(
    messages: Sequence[Message],
    limit_tokens: int,
    *,
    model: str,
    system: System = None,
    provider: str = "",
    dialect: Dialect | None = None,
    keep_last: int = 1,
    pinned: Collection[int] = (),
) -> Compression:
    """Keep the newest messages, as many as fit, without a hole.

    Args:
        messages: The conversation.
        limit_tokens: The most input tokens, with `system` and all framing.
        model: Whose tokens are counted.
        system: A system prompt that is sent beside the messages. It is counted, never changed.
        provider: As in the price data; empty: guessed from the model.
        dialect: ``openai`` or ``anthropic``; None: read from the messages.
        keep_last: So many of the last messages stay in any case.
        pinned: Indexes of messages that stay in any case.

    Raises:
        InvalidMessage: a message is of no known kind.
        ContextTooSmall: what must stay is larger than the limit.
    """
    made = plan(
        messages, model, system=system, provider=provider, dialect=dialect, keep_last=keep_last,
        pinned=pinned,
    )  # fmt: skip
    return told(made.result("sliding_window", made.newest(limit_tokens), limit_tokens), model)


def keep_important(
    messages: Sequence[Message],
    limit_tokens: int,
    *,
    model: str,
    system: System = None,
    provider: str = "",
    dialect: Dialect | None = None,
    keep_last: int = 4,
    pinned: Collection[int] = (),
    priorities: Mapping[int, float] | None = None,
) -> Compression:
    """Keep what matters most for what it takes, wherever it stands.

    Args and errors as `sliding_window`, and

    Args:
        priorities: Importance (0 to 1) of messages by index; the others' is computed.
    """
    made = plan(
        messages, model, system=system, provider=provider, dialect=dialect, keep_last=keep_last,
        pinned=pinned, priorities=priorities,
    )  # fmt: skip
    return told(
        made.result("keep_important", made.most_important(limit_tokens), limit_tokens), model
    )


def compress(
    messages: Sequence[Message],
    ratio: float,
    *,
    model: str,
    system: System = None,
    provider: str = "",
    dialect: Dialect | None = None,
    keep_last: int = 4,
    pinned: Collection[int] = (),
    priorities: Mapping[int, float] | None = None,
    summariser: Summariser | None = None,
) -> Compression:
    """Make a conversation at most `ratio` (above 0, at most 1) of its tokens.

    With a summariser by `summarize`, else by `keep_important`; args and errors are theirs.
    """
    made = plan(
        messages, model, system=system, provider=provider, dialect=dialect, keep_last=keep_last,
        pinned=pinned, priorities=priorities,
    )  # fmt: skip
    limit = _share(made, ratio)
    if summariser is None:
        return told(made.result("compress", made.most_important(limit), limit), model)
    with compressing():
        steps = _summarizing(made, limit, None, _CHUNK_TOKENS, "compress")
        return told(_drive(steps, summariser), model)


async def acompress(
    messages: Sequence[Message],
    ratio: float,
    summariser: AsyncSummariser,
    *,
    model: str,
    system: System = None,
    provider: str = "",
    dialect: Dialect | None = None,
    keep_last: int = 4,
    pinned: Collection[int] = (),
) -> Compression:
    """`compress` with an async summariser."""
    made = plan(
        messages, model, system=system, provider=provider, dialect=dialect, keep_last=keep_last,
        pinned=pinned,
    )  # fmt: skip
    limit = _share(made, ratio)
    with compressing():
        steps = _summarizing(made, limit, None, _CHUNK_TOKENS, "compress")
        return told(await _adrive(steps, summariser), model)


def summarize(
    messages: Sequence[Message],
    limit_tokens: int,
    summariser: Summariser,
    *,
    model: str,
    system: System = None,
    provider: str = "",
    dialect: Dialect | None = None,
    keep_last: int = 4,
    pinned: Collection[int] = (),
    summary_tokens: int | None = None,
    chunk_tokens: int = _CHUNK_TOKENS,
) -> Compression:
    """Keep the newest messages and put one summary in the place of those that do not fit.

    Args and errors as `sliding_window`, and

    Args:
        summariser: Gets a text and the most tokens of its summary. What it raises passes through.
        summary_tokens: The most tokens of the message with the summary; by default a quarter of
            the limit, at most 1000. A longer summary is cut.
        chunk_tokens: The most tokens that the summariser is given at once. A longer text is
            summarised in chunks, and the summaries again.

    Raises:
        SummaryFailed: the summariser gave an empty text.
        ContextError: `summary_tokens` are too few to say anything.
    """
    made = plan(
        messages, model, system=system, provider=provider, dialect=dialect, keep_last=keep_last,
        pinned=pinned,
    )  # fmt: skip
    with compressing():
        steps = _summarizing(made, limit_tokens, summary_tokens, chunk_tokens, "summarize")
        return told(_drive(steps, summariser), model)


async def asummarize(
    messages: Sequence[Message],
    limit_tokens: int,
    summariser: AsyncSummariser,
    *,
    model: str,
    system: System = None,
    provider: str = "",
    dialect: Dialect | None = None,
    keep_last: int = 4,
    pinned: Collection[int] = (),
    summary_tokens: int | None = None,
    chunk_tokens: int = _CHUNK_TOKENS,
) -> Compression:
    """`summarize` with an async summariser."""
    made = plan(
        messages, model, system=system, provider=provider, dialect=dialect, keep_last=keep_last,
        pinned=pinned,
    )  # fmt: skip
    with compressing():
        steps = _summarizing(made, limit_tokens, summary_tokens, chunk_tokens, "summarize")
        return told(await _adrive(steps, summariser), model)


def summarize_text(
    pieces: Sequence[str], max_tokens: int, summariser: Summariser, *, model: str
) -> str:
    """A summary of texts in at most `max_tokens`, in chunks where they are long.

    Raises:
        SummaryFailed: the summariser gave an empty text.
    """
    return _drive(_text_steps(pieces, max_tokens, model), summariser)


async def asummarize_text(
    pieces: Sequence[str], max_tokens: int, summariser: AsyncSummariser, *, model: str
) -> str:
    """`summarize_text` with an async summariser."""
    return await _adrive(_text_steps(pieces, max_tokens, model), summariser)


def _text_steps(pieces: Sequence[str], max_tokens: int, model: str) -> Generator[Ask, str, str]:
    return summary_steps(pieces, max_tokens, _CHUNK_TOKENS, Counter.of(model).text)


def extractive_summary(text: str, max_tokens: int, *, model: str = "gpt-4o") -> str:
    """A summariser without a model: the sentences with the text's most frequent words.

    Nothing is said in other words, and nothing is asked of anybody: it costs no money.
    """
    return extract(text, max_tokens, Counter.of(model).text)


def _share(made: Plan, ratio: float) -> int:
    if not 0 < ratio <= 1:
        raise ContextError(
            f"{ratio!r} is no ratio to compress to; give the share of tokens that stays, "
            "above 0 and at most 1"
        )
    return int(made.tokens * ratio)


def _summarizing(
    made: Plan, limit_tokens: int, summary_tokens: int | None, chunk_tokens: int, strategy: str
) -> Generator[Ask, str, Compression]:
    """The steps of a summary; nothing is asked if everything fits."""
    if fits(made.draft, limit_tokens):
        return made.result(strategy, made.draft.sound, limit_tokens)
    budget = _summary_budget(made, limit_tokens, summary_tokens)
    places = made.newest(limit_tokens - budget)
    kept = set(made.draft.messages_of(places))
    gone = [message for i, message in enumerate(made.messages) if i not in kept]
    framing = made.counter.message(summary_message(""))
    text = yield from summary_steps(
        transcript(gone), budget - framing, chunk_tokens, made.counter.text
    )
    # Together with what stands before it a text may have a token more than alone.
    text = cut(text, budget, lambda part: made.counter.message(summary_message(part)))
    return made.result(strategy, places, limit_tokens, text)


def _summary_budget(made: Plan, limit_tokens: int, wanted: int | None) -> int:
    """Tokens for the message with the summary.

    Raises:
        ContextTooSmall: beside what must stay there is no room for one that says anything.
        ContextError: so few were wanted that it would say nothing.
    """
    framing = made.counter.message(summary_message("")) + made.draft.marker_tokens
    least = framing + _LEAST_SUMMARY_TOKENS
    if wanted is not None and wanted < least:
        raise ContextError(f"a summary in {wanted} tokens says nothing; give it {least} or more")
    stays = required(made.draft, limit_tokens).tokens
    if limit_tokens - stays < least:
        raise ContextTooSmall(stays + least, limit_tokens)
    default = max(least, min(limit_tokens // 4, _MOST_SUMMARY_TOKENS))
    return min(default if wanted is None else wanted, limit_tokens - stays)


def _drive(steps: Generator[Ask, str, R], summariser: Summariser) -> R:
    ask = _next(steps, None)
    while isinstance(ask, Ask):
        ask = _next(steps, summariser(ask.text, ask.max_tokens))
    return ask


async def _adrive(steps: Generator[Ask, str, R], summariser: AsyncSummariser) -> R:
    ask = _next(steps, None)
    while isinstance(ask, Ask):
        ask = _next(steps, await summariser(ask.text, ask.max_tokens))
    return ask


def _next(steps: Generator[Ask, str, R], answer: str | None) -> Ask | R:
    """The next question, or what came of them all."""
    try:
        return next(steps) if answer is None else steps.send(answer)
    except StopIteration as done:
        result: R = done.value
        return result
