"""A conversation that stays within its model's window by itself."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from spanledger import pricing, track
from spanledger.context import _executing as executing
from spanledger.context import strategies
from spanledger.context._assemble import MARKER, assemble
from spanledger.context._compression import Compression
from spanledger.context._entries import Entry, as_message, pins, priorities
from spanledger.context._held import CompressionRecord, Held, Snapshot
from spanledger.context._messages import Dialect, dialect_of, transcript, view
from spanledger.context._plan import System
from spanledger.context._search import scores, words
from spanledger.context._summary import summary_message
from spanledger.context.analysis import Analysis, analyze
from spanledger.context.counting import Counter
from spanledger.context.errors import ContextError, ContextTooSmall, ModelUnknown
from spanledger.context.presets import PRESETS, Preset, PresetName
from spanledger.context.strategies import AsyncSummariser, Summariser

__all__ = ["CompressionRecord", "Conversation", "Found"]

_MOST_ROUNDS = 3
_RESERVED_OUTPUT_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class Found:
    """A message that a search found."""

    index: int
    message: Mapping[str, Any]
    score: float
    """From 0 to 1."""


class Conversation:
    """Messages for one model, compressed by themselves when they come near the limit.

    Safe to share between threads; a summariser is never called under the lock. Every compression
    is a span with an event on the trace that is open. If the summariser fails, the error is
    recorded on the trace and `keep_important` does its work.

    >>> talk = Conversation("gpt-4o", system="You are brief.")
    >>> _ = talk.add("user", "What is a ledger?", priority=0.9)
    >>> talk.request()["messages"][0]["role"]
    'system'
    """

    def __init__(
        self,
        model: str,
        *,
        system: System = None,
        provider: str = "",
        dialect: Dialect | None = None,
        limit_tokens: int | None = None,
        preset: PresetName | Preset = "balanced",
        summariser: Summariser | AsyncSummariser | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin an empty conversation.

        Args:
            model: Which model it goes to.
            system: The system prompt; it is never compressed.
            provider: As in the price data; empty: guessed from the model.
            dialect: ``openai`` or ``anthropic``; None: ``anthropic`` for Claude, else ``openai``.
            limit_tokens: The most input tokens of a request; by default the model's window
                without 4096 tokens (or a quarter of it, if that is less) for the answer.
            preset: ``light``, ``balanced`` or ``heavy``, or a `Preset` of your own.
            summariser: Gets a text and the most tokens of its summary, plain or async (then use
                `aadd`); by default sentences are picked, without a model.
            clock: Seconds since 1970.

        Raises:
            ModelUnknown: no limit is given and the model's window is not known.
            ContextTooSmall: the system prompt alone is larger than the limit.
        """
        self.model, self.system, self.provider = model, system, provider
        self.dialect: Dialect = dialect or dialect_of((), model)
        self.preset = PRESETS[preset] if isinstance(preset, str) else preset
        self.limit_tokens = limit_tokens or _default_limit(model, provider)
        self._summariser = summariser
        self._is_async = inspect.iscoroutinefunction(summariser)
        self._clock = clock
        self._counter = Counter.of(model, provider)
        base = self._counter.base(system)
        if base > self.limit_tokens:
            raise ContextTooSmall(base, self.limit_tokens)
        marker = self._counter.message(MARKER) if self.dialect == "anthropic" else 0
        self._held = Held(base, marker)

    def add(
        self,
        message: str | Mapping[str, Any] | object,
        content: Any = None,
        *,
        priority: float | None = None,
        pinned: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Add a message: a role and its content, a dict, or what the client answered.

        Args:
            message: The role, or the whole message.
            content: The content, if only the role was given.
            priority: Importance from 0 to 1 for `keep_important`; None: computed.
            pinned: It is never left out.
            metadata: Anything of yours; it stays beside the message and is never sent.

        Raises:
            InvalidMessage: it is no message.
            ContextTooSmall: it does not fit beside what must stay; nothing was added.
            ContextError: the summariser is async; use `aadd`.
        """
        self._refuse_async()
        entry = self._entry(message, content, priority, pinned, metadata)
        with self._or_not_at_all(entry):
            for _ in range(_MOST_ROUNDS):
                if not self._is_due() or not self._compress(self.preset.compress_to):
                    break
        return entry

    async def aadd(
        self,
        message: str | Mapping[str, Any] | object,
        content: Any = None,
        *,
        priority: float | None = None,
        pinned: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> Entry:
        """`add`, with any summariser. Counting, and a plain summariser, run off the event loop."""
        given = message, content, priority, pinned, metadata
        entry = await asyncio.to_thread(self._entry, *given)
        with self._or_not_at_all(entry):
            for _ in range(_MOST_ROUNDS):
                if not self._is_due() or not await self._acompress(self.preset.compress_to):
                    break
        return entry

    def optimise(self, ratio: float | None = None) -> Compression | None:
        """Compress now to a share of the limit (the preset's if None), if what must stay allows it.

        None: there was nothing to do.

        Raises:
            ContextTooSmall: what must stay is larger than the limit.
            ContextError: the summariser is async; use `aoptimise`.
        """
        self._refuse_async()
        return self._compress(self.preset.compress_to if ratio is None else ratio)

    async def aoptimise(self, ratio: float | None = None) -> Compression | None:
        """`optimise`, with any summariser."""
        return await self._acompress(self.preset.compress_to if ratio is None else ratio)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """What is to be sent, without a system prompt; valid by the provider's rules."""
        return assemble([entry.message for entry in self.entries], self.dialect)

    def request(self) -> dict[str, Any]:
        """``messages``, and ``system`` where the provider wants it beside them, to pass on.

        >>> Conversation("gpt-4o").request()
        {'messages': []}
        """
        if self.system is None:
            return {"messages": self.messages}
        if self.dialect == "anthropic":
            return {"system": self.system, "messages": self.messages}
        return {"messages": [{"role": "system", "content": self.system}, *self.messages]}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The messages with their priority, pin and metadata."""
        return self._held.snapshot().entries

    @property
    def tokens(self) -> int:
        """Input tokens of the next request, without the schemas of tools; never too low a count
        by more than the model's estimator is."""
        return self._held.snapshot().tokens

    @property
    def utilisation(self) -> float:
        """The share of the limit that is used."""
        return self.tokens / self.limit_tokens

    @property
    def history(self) -> tuple[CompressionRecord, ...]:
        """The last hundred compressions, oldest first."""
        return self._held.history

    def analyze(self, **options: Any) -> Analysis:
        """`spanledger.context.analyze` of what would be sent now."""
        options = {"system": self.system, "provider": self.provider, **options}
        return analyze(self.messages, self.model, **options)

    def summary(self, max_tokens: int = 200) -> str:
        """What was said so far, in at most so many tokens; the conversation stays as it is.

        Raises:
            ContextError: the summariser is async; use `asummary`.
        """
        self._refuse_async()
        return strategies.summarize_text(self._lines(), max_tokens, self._plain(), model=self.model)

    async def asummary(self, max_tokens: int = 200) -> str:
        """`summary`, with any summariser."""
        if not self._is_async:
            return await asyncio.to_thread(self.summary, max_tokens)
        return await strategies.asummarize_text(
            self._lines(), max_tokens, self._async(), model=self.model
        )

    def search(self, query: str, *, limit: int = 5) -> list[Found]:
        """The messages that share most of the query's words, the best first."""
        entries = self.entries
        texts = [set(words(view(entry.message).text)) for entry in entries]
        found = [
            Found(index, entry.message, round(score, 4))
            for index, (entry, score) in enumerate(
                zip(entries, scores(words(query), texts), strict=True)
            )
            if score > 0
        ]
        return sorted(found, key=lambda one: (-one.score, -one.index))[:limit]

    def execute_tool(
        self,
        function: Callable[..., Any],
        arguments: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        call_id: str | None = None,
        priority: float | None = None,
    ) -> Any:
        """Run a tool and add its result; returns what it gave.

        It runs as a traced tool: the guard is asked, and it has a span. With the `call_id` of a
        call that the model made only the result is added, else the call as well. If it raises,
        the error is added as the result, so that the conversation stays valid, and raised.
        """
        run = executing.Run.of(self.dialect, function, arguments, name, call_id)
        try:
            value = run.traced()(**run.arguments)
        except Exception as error:
            self._add_all(run.failed(self.entries, error), priority)
            raise
        self._add_all(run.done(self.entries, value), priority)
        return value

    async def aexecute_tool(
        self,
        function: Callable[..., Awaitable[Any]],
        arguments: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        call_id: str | None = None,
        priority: float | None = None,
    ) -> Any:
        """`execute_tool` with an async function."""
        run = executing.Run.of(self.dialect, function, arguments, name, call_id)
        try:
            value = await run.traced()(**run.arguments)
        except Exception as error:
            for message in run.failed(self.entries, error):
                await self.aadd(message, priority=priority)
            raise
        for message in run.done(self.entries, value):
            await self.aadd(message, priority=priority)
        return value

    def status(self) -> dict[str, Any]:
        """Where it stands, as JSON would have it."""
        now = self._held.snapshot()
        return {
            "model": self.model,
            "dialect": self.dialect,
            "preset": self.preset.name,
            "messages": len(now.entries),
            "pinned": len(pins(now.entries)),
            "summaries": sum(entry.is_summary for entry in now.entries),
            "tokens": now.tokens,
            "limit_tokens": self.limit_tokens,
            "utilisation": round(now.tokens / self.limit_tokens, 4),
            "exact": self._counter.exact,
            "compressions": self._held.compressions,
            "saved_tokens": self._held.saved_tokens,
        }

    def _entry(
        self,
        message: str | Mapping[str, Any] | object,
        content: Any,
        priority: float | None,
        pinned: bool,
        metadata: Mapping[str, Any] | None,
    ) -> Entry:
        """Read, count and append."""
        given = {"role": message, "content": content} if isinstance(message, str) else message
        made = as_message(given)
        tokens = self._counter.message(made)
        entry = Entry(made, tokens, priority, pinned, dict(metadata or {}))
        self._held.append(entry)
        return entry

    def _add_all(self, messages: Iterator[Mapping[str, Any]], priority: float | None) -> None:
        for message in messages:
            self.add(message, priority=priority)

    @contextmanager
    def _or_not_at_all(self, entry: Entry) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._held.remove(entry)
            raise

    def _refuse_async(self) -> None:
        if self._is_async:
            raise ContextError(
                "the summariser of this conversation is async; use aadd(), aoptimise(), "
                "asummary() and aexecute_tool()"
            )

    def _is_due(self) -> bool:
        return self.tokens > self.limit_tokens * self.preset.compress_at

    def _compress(self, ratio: float) -> Compression | None:
        now = self._held.snapshot()
        done = self._attempted(now, ratio, self._once)
        return self._applied(now, done)

    async def _acompress(self, ratio: float) -> Compression | None:
        if not self._is_async or self.preset.strategy != "summarize":
            return await asyncio.to_thread(self._compress, ratio)
        now = self._held.snapshot()
        for limit, keep_last in self._limits(ratio):
            try:
                done = await self._asummarized(now, limit, keep_last)
                return self._applied(now, done)
            except ContextTooSmall as error:
                failure = error
        raise failure

    def _attempted(
        self, now: Snapshot, ratio: float, once: Callable[[Snapshot, int, int], Compression]
    ) -> Compression:
        for limit, keep_last in self._limits(ratio):
            try:
                return once(now, limit, keep_last)
            except ContextTooSmall as error:
                failure = error
        raise failure

    def _limits(self, ratio: float) -> list[tuple[int, int]]:
        """What is tried: the aim, then the limit itself, then with the last message alone."""
        aim, last = int(self.limit_tokens * ratio), self.preset.keep_last
        return [(aim, last), (self.limit_tokens, last), (self.limit_tokens, 1)]

    def _once(self, now: Snapshot, limit: int, keep_last: int) -> Compression:
        if self.preset.strategy == "summarize" and not self._is_async:
            try:
                return strategies.summarize(
                    [entry.message for entry in now.entries],
                    limit,
                    self._plain(),
                    **self._options(now, keep_last),
                )
            except ContextTooSmall:
                raise
            except Exception as error:  # noqa: BLE001 - a summariser is foreign code, and the agent must go on
                track.error(error, summariser="failed", instead="keep_important")
        return self._kept(now, limit, keep_last)

    def _kept(self, now: Snapshot, limit: int, keep_last: int) -> Compression:
        messages, options = [e.message for e in now.entries], self._options(now, keep_last)
        if self.preset.strategy == "sliding_window":
            return strategies.sliding_window(messages, limit, **options)
        return strategies.keep_important(
            messages, limit, priorities=priorities(now.entries), **options
        )

    async def _asummarized(self, now: Snapshot, limit: int, keep_last: int) -> Compression:
        try:
            return await strategies.asummarize(
                [entry.message for entry in now.entries],
                limit,
                self._async(),
                **self._options(now, keep_last),
            )
        except ContextTooSmall:
            raise
        except Exception as error:  # noqa: BLE001 - as in `_once`
            track.error(error, summariser="failed", instead="keep_important")
            return await asyncio.to_thread(self._kept, now, limit, keep_last)

    def _options(self, now: Snapshot, keep_last: int) -> dict[str, Any]:
        return {
            "model": self.model,
            "system": self.system,
            "provider": self.provider,
            "dialect": self.dialect,
            "keep_last": keep_last,
            "pinned": pins(now.entries),
        }

    def _applied(self, now: Snapshot, done: Compression) -> Compression | None:
        if not done.changed:
            return None
        summary = summary_message(done.summary) if done.summary is not None else None
        tokens = self._counter.message(summary) if summary is not None else 0
        self._held.replace(now, done, tokens, self._clock())
        return done

    def _lines(self) -> list[str]:
        return transcript([entry.message for entry in self.entries])

    def _plain(self) -> Summariser:
        if self._summariser is None:
            return lambda text, most: strategies.extractive_summary(text, most, model=self.model)
        return cast("Summariser", self._summariser)

    def _async(self) -> AsyncSummariser:
        return cast("AsyncSummariser", self._summariser)


def _default_limit(model: str, provider: str) -> int:
    window = pricing.limits(provider, model).context_window_tokens
    if not window:
        raise ModelUnknown(
            f"the window of {model!r} is not known; say how many input tokens a request may have "
            "(limit_tokens=…), or give context_window_tokens in your prices file"
        )
    return window - min(_RESERVED_OUTPUT_TOKENS, window // 4)
