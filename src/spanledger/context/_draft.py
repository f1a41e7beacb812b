"""A conversation prepared for leaving things out: units, their tokens, what must stay. Pure."""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from spanledger.context._messages import Dialect, View
from spanledger.context._units import Unit, units
from spanledger.context.errors import ContextTooSmall


@dataclass(frozen=True, slots=True)
class Draft:
    """Units and what they cost. Places below are places in `units`."""

    dialect: Dialect
    units: tuple[Unit, ...]
    tokens: tuple[int, ...]
    """Of each unit."""
    base_tokens: int
    marker_tokens: int
    must: frozenset[int]
    """What can't be left out."""

    @property
    def sound(self) -> list[int]:
        """The units that a provider accepts."""
        return [i for i, unit in enumerate(self.units) if unit.kind != "broken"]

    def messages_of(self, places: Iterable[int]) -> list[int]:
        """The indexes of the messages of these units, in their order."""
        return sorted(index for place in places for index in self.units[place].indexes)


def draft(
    seen: Sequence[View],
    tokens: Sequence[int],
    *,
    dialect: Dialect,
    base_tokens: int,
    marker_tokens: int,
    keep_last: int,
    pinned: Collection[int],
) -> Draft:
    """Find the units, and those that must stay: system messages, pins, the last messages."""
    found = units(seen, dialect)
    recent = len(seen) - max(0, keep_last)
    must = {
        place
        for place, unit in enumerate(found)
        if unit.kind != "broken"
        and (
            unit.kind in {"system", "open"}
            or unit.indexes[-1] >= recent
            or any(index in pinned for index in unit.indexes)
        )
    }
    sums = tuple(sum(tokens[index] for index in unit.indexes) for unit in found)
    return Draft(dialect, tuple(found), sums, base_tokens, marker_tokens, frozenset(must))


class Kept:
    """The units that stay, and what they come to. Adding and dropping take constant arithmetic.

    An upper bound of what the assembled messages count: messages that are joined lose the
    framing of one.
    """

    def __init__(self, of: Draft, places: Iterable[int]) -> None:
        self._draft = of
        self._turns: list[int] = []
        self._system: set[int] = set()
        self.tokens = of.base_tokens
        for place in sorted(places):
            self.add(place)

    @property
    def places(self) -> list[int]:
        return sorted([*self._system, *self._turns])

    def with_(self, place: int) -> int:
        """The tokens, were this unit to stay as well."""
        return self.tokens + self._change(place)

    def add(self, place: int) -> None:
        if self._draft.units[place].kind == "system":
            self._system.add(place)
            self.tokens += self._draft.tokens[place]
            return
        self.tokens += self._change(place)
        insort(self._turns, place)

    def drop(self, place: int) -> None:
        del self._turns[bisect_left(self._turns, place)]
        self.tokens -= self._change(place)

    def _change(self, place: int) -> int:
        """What this unit, which is not here, adds: itself, and markers before or behind it."""
        if self._draft.units[place].kind == "system":
            return self._draft.tokens[place]
        at = bisect_left(self._turns, place)
        before = self._turns[at - 1] if at else None
        after = self._turns[at] if at < len(self._turns) else None
        change = self._draft.tokens[place] + self._gap(before, place)
        if after is not None:
            change += self._gap(place, after) - self._gap(before, after)
        return change

    def _gap(self, before: int | None, after: int) -> int:
        """Tokens of the marker between two units, if one is needed."""
        draft = self._draft
        if draft.dialect == "openai" or draft.units[after].first_role != "assistant":
            return 0
        if before is not None and draft.units[before].last_role == "user":
            return 0
        return draft.marker_tokens


def required(of: Draft, limit_tokens: int) -> Kept:
    """What must stay.

    Raises:
        ContextTooSmall: that alone is larger than the limit.
    """
    kept = Kept(of, of.must)
    if kept.tokens > limit_tokens:
        raise ContextTooSmall(kept.tokens, limit_tokens)
    return kept
