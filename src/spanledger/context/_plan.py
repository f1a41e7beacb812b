"""A conversation read and counted for one model, ready for every strategy."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from spanledger.context._assemble import MARKER, assemble
from spanledger.context._choosing import most_important, newest
from spanledger.context._compression import Compression
from spanledger.context._draft import Draft, draft
from spanledger.context._importance import importances
from spanledger.context._messages import Dialect, Message, View, dialect_of, views
from spanledger.context._summary import summary_message
from spanledger.context._words import words_of
from spanledger.context.counting import Counter, count_messages

System = str | Sequence[Mapping[str, Any]] | None


class Plan(NamedTuple):
    """Made by `plan`."""

    messages: Sequence[Message]
    seen: Sequence[View]
    counter: Counter
    dialect: Dialect
    system: System
    draft: Draft
    tokens: int
    """Of the whole as it was given."""
    priorities: Mapping[int, float]

    def newest(self, limit_tokens: int) -> list[int]:
        """The units of a sliding window."""
        return newest(self.draft, limit_tokens)

    def most_important(self, limit_tokens: int) -> list[int]:
        """The units that rank highest."""
        weights = importances(self.seen, words_of(self.seen), self.priorities)
        return most_important(self.draft, weights, limit_tokens)

    def result(
        self, strategy: str, places: Sequence[int], limit_tokens: int, summary: str | None = None
    ) -> Compression:
        """What comes of it if these units stay; the summary stands where the first one went."""
        kept = self.draft.messages_of(places)
        dropped = sorted(set(range(len(self.messages))) - set(kept))
        staying: list[Message] = [self.messages[i] for i in kept]
        at = dropped[0] if summary is not None else None
        if summary is not None:
            before = sum(1 for i in kept if i < dropped[0])
            staying.insert(before, summary_message(summary))
        sent = assemble(staying, self.dialect)
        after = count_messages(
            sent, self.counter.model, system=self.system, provider=self.counter.provider
        ).tokens
        return Compression(
            strategy, tuple(sent), tuple(kept), tuple(dropped), self.tokens, after, limit_tokens,
            summary, at,
        )  # fmt: skip


def plan(
    messages: Sequence[Message],
    model: str,
    *,
    system: System = None,
    provider: str = "",
    dialect: Dialect | None = None,
    keep_last: int = 1,
    pinned: Collection[int] = (),
    priorities: Mapping[int, float] | None = None,
) -> Plan:
    """Read and count a conversation. Raises `InvalidMessage`."""
    counter = Counter.of(model, provider)
    seen = views(messages)
    dialect = dialect or dialect_of(messages, model)
    tokens = [counter.seen(message) for message in seen]
    base = counter.base(system)
    prepared = draft(
        seen,
        tokens,
        dialect=dialect,
        base_tokens=base,
        marker_tokens=counter.message(MARKER),
        keep_last=keep_last,
        pinned=pinned,
    )
    return Plan(
        messages, seen, counter, dialect, system, prepared, base + sum(tokens), priorities or {}
    )
