"""Three tiers behind one interface."""

import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from spanledger import track
from spanledger.config import default_data_dir
from spanledger.context._search import scores
from spanledger.context._search import words as words_of
from spanledger.context.memory._item import Item, TierName, TierStats
from spanledger.context.memory._rules import (
    LEAST_STRENGTH,
    first_tier,
    item_strength,
    next_tier,
    relevance,
)
from spanledger.context.memory._similar import groups, merged
from spanledger.context.memory._tier import Tier
from spanledger.context.memory.errors import InvalidMemory
from spanledger.context.memory.long import LongTier
from spanledger.context.memory.medium import MediumTier
from spanledger.context.memory.short import ShortTier
from spanledger.warehouse import Warehouse, WarehouseError

__all__ = ["Consolidated", "Memory", "Recalled"]

FILE_NAME: Final = "memory.sqlite"
_MOST_CHARS: Final = 100_000
_MOST_TAGS: Final = 32
#: Of each tier, so many candidates are looked at for one search.
_CANDIDATES: Final = 100
#: Of each tier, so many of a user's last used items are consolidated.
_CONSOLIDATED: Final = 5_000


@dataclass(frozen=True, slots=True)
class Recalled:
    """A memory that a search found."""

    item: Item
    score: float
    """From 0 to 1: how well it fits the query, and how strong it still is."""


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What a consolidation did."""

    merged: int
    """Items that became part of another."""
    moved: int
    """Items that went to a longer tier."""


class Memory:
    """What an agent remembers beyond one context. Safe to share between threads.

    >>> memory = Memory()  # doctest: +SKIP
    >>> _ = memory.add("Ada's parcel is number 17", 0.9, user="ada")  # doctest: +SKIP
    >>> memory.search("which parcel?", user="ada")[0].item.content  # doctest: +SKIP
    "Ada's parcel is number 17"
    """

    def __init__(
        self,
        *,
        path: str | Path | None = None,
        warehouse: Warehouse | None = None,
        cluster: str | None = None,
        max_short_items: int = 1000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open a memory; files are made when they are first used.

        Args:
            path: The medium tier's file; by default ``memory.sqlite`` in the data directory.
            warehouse: A ClickHouse for the long tier; None: there is no long tier.
            cluster: Its cluster's name, if it has one.
            max_short_items: The most items of the short tier, of all users together.
            clock: Seconds since 1970.
        """
        self._clock = clock
        self._short = ShortTier(max_short_items)
        self._medium = MediumTier(Path(path) if path else default_data_dir() / FILE_NAME)
        self._long = LongTier(warehouse, cluster=cluster) if warehouse is not None else None

    def add(
        self,
        content: str,
        importance: float = 0.5,
        tags: Collection[str] = (),
        *,
        user: str = "",
    ) -> Item:
        """Remember something.

        With an importance of 0.3 or more it is in the file when this returns, and survives the
        end of the process; with less it stays in memory until it proves useful.

        Raises:
            InvalidMemory: it is empty or too long, or its importance is not within 0 to 1.
            MemoryUnavailable: the file can't be written.
        """
        _check(content, importance, tags)
        now = self._clock()
        tier = first_tier(importance)
        kept = tuple(sorted(set(tags)))
        item = Item(uuid.uuid4().hex, user, content, importance, kept, now, now, tier=tier)
        self._tier(tier).put([item], now)
        track.event("memory added", tier=tier, importance=importance, characters=len(content))
        return item

    def search(self, query: str, *, user: str = "", limit: int = 5) -> list[Recalled]:
        """The memories of a user that share most of the query's words, the best first.

        What is found is noted as used: it fades more slowly, and found twice it is moved from the
        short tier to the medium one. If ClickHouse does not answer, the error is recorded on the
        trace and the other tiers answer.

        Raises:
            MemoryUnavailable: the file can't be read.
        """
        asked, now = words_of(query), self._clock()
        found = self._gathered(lambda tier: tier.matching(user, asked, _CANDIDATES))
        fits = scores(asked, [words_of(item.content) for item in found])
        ranked = [
            Recalled(item, round(relevance(fit, item_strength(item, now)), 4))
            for item, fit in zip(found, fits, strict=True)
        ]
        ranked.sort(key=lambda one: (-one.score, -one.item.used_s, one.item.id))
        best = ranked[:limit]
        self._used(user, [one.item for one in best], now)
        return best

    def search_by_tags(
        self, tags: Collection[str], *, user: str = "", every: bool = False, limit: int = 20
    ) -> list[Item]:
        """The memories of a user with any (or with `every`) of the tags, the last used first.

        Raises:
            MemoryUnavailable: the file can't be read.
        """
        wanted = {tags} if isinstance(tags, str) else set(tags)
        found = self._gathered(lambda tier: tier.tagged(user, wanted, limit, every=every))
        found.sort(key=lambda item: (-item.used_s, item.id))
        self._used(user, found[:limit], self._clock())
        return found[:limit]

    def stats(self, user: str | None = None) -> dict[TierName, TierStats]:
        """What each tier holds, of one user or of all.

        Raises:
            MemoryUnavailable: the file can't be read.
            WarehouseError: ClickHouse does not answer.
        """
        return {tier.name: tier.stats(user) for tier in self._tiers()}

    def cleanup(self, max_age_s: float | None = None) -> int:
        """Forget what has faded, and what was not used for so long; gives how many, of all users.

        Raises:
            MemoryUnavailable: the file can't be written.
            WarehouseError: ClickHouse does not answer; the other tiers are clean.
        """
        now = self._clock()
        before = None if max_age_s is None else now - max_age_s
        gone = sum(tier.cleanup(now, before, LEAST_STRENGTH) for tier in self._tiers())
        track.event("memory cleaned up", forgotten=gone)
        return gone

    def consolidate(self, *, user: str = "") -> Consolidated:
        """Merge near-duplicates of a user's memories and move each to the tier it belongs to.

        Of each tier the 5000 that were last used are looked at. What is merged or moved is
        written before its old place is cleared: a crash between the two leaves it twice, and the
        next consolidation makes it one again (its count is then too high).

        Raises:
            MemoryUnavailable: the file can't be written.
            WarehouseError: ClickHouse does not answer.
        """
        items = [item for tier in self._tiers() for item in tier.newest(user, _CONSOLIDATED)]
        # The oldest first, so that what is found again joins what was there.
        items.sort(key=lambda item: (item.created_s, item.id))
        gone = moved = 0
        for places in groups([item.content for item in items]):
            members = [items[place] for place in places]
            # One that a crash left in two tiers is one, not two.
            whole = merged(list({item.id: item for item in members}.values()))
            home = self._home(whole)
            gone += len(members) - 1
            moved += home != whole.tier
            if len(members) > 1 or home != whole.tier:
                self._settle(replace(whole, tier=home), members)
        track.event("memory consolidated", merged=gone, moved=moved)
        return Consolidated(gone, moved)

    def forget(self, user: str) -> int:
        """Delete everything of a user in every tier; gives how many memories there were.

        Raises:
            MemoryUnavailable: the file can't be written.
            WarehouseError: ClickHouse does not answer: the long tier still holds what it held.
        """
        gone = sum(tier.forget(user) for tier in self._tiers())
        track.event("memory of a user forgotten", forgotten=gone)
        return gone

    def close(self) -> None:
        """Let go of the file. The warehouse is its owner's to close."""
        for tier in self._tiers():
            tier.close()

    def _tiers(self) -> Iterator[Tier]:
        yield self._short
        yield self._medium
        if self._long is not None:
            yield self._long

    def _tier(self, name: TierName) -> Tier:
        return next(tier for tier in self._tiers() if tier.name == name)

    def _home(self, item: Item) -> TierName:
        """The tier that an item belongs to, of those that there are."""
        name = next_tier(item)
        return "medium" if name == "long" and self._long is None else name

    def _gathered(self, ask: Callable[[Tier], list[Item]]) -> list[Item]:
        """What the tiers have; of one that is in two (a crash while it was moved) the longer's."""
        found: dict[str, Item] = {}
        for tier in self._tiers():
            found.update((item.id, item) for item in self._asked(tier, ask))
        return list(found.values())

    def _asked(self, tier: Tier, ask: Callable[[Tier], list[Item]]) -> list[Item]:
        try:
            return ask(tier)
        except WarehouseError as error:
            track.error(error, memory="the long tier did not answer; the others did")
            return []

    def _used(self, user: str, items: Sequence[Item], now: float) -> None:
        """Note that these were found; a short one that proved useful goes to the file."""
        for tier in self._tiers():
            own = [item for item in items if item.tier == tier.name]
            if own:
                self._touch(tier, user, own, now)
        track.event("memory searched", found=len(items))

    def _touch(self, tier: Tier, user: str, items: Sequence[Item], now: float) -> None:
        try:
            tier.touch(user, [item.id for item in items], now)
        except WarehouseError as error:
            track.error(error, memory="the long tier could not note what was found")
        if tier is self._short:
            touched = [replace(item, used_s=now, uses=item.uses + 1) for item in items]
            for item in touched:
                if self._home(item) != "short":
                    self._settle(replace(item, tier="medium"), [item])

    def _settle(self, whole: Item, members: Sequence[Item]) -> None:
        """Write an item where it belongs, then clear the places of what it was made of."""
        self._tier(whole.tier).put([whole], self._clock())
        for tier in self._tiers():
            old = [
                member.id
                for member in members
                if member.tier == tier.name and (member.id, tier.name) != (whole.id, whole.tier)
            ]
            if old:
                tier.remove(whole.user, old)


def _check(content: str, importance: float, tags: Collection[str]) -> None:
    if not isinstance(content, str) or not content.strip():
        raise InvalidMemory("there is nothing to remember; give a text")
    if len(content) > _MOST_CHARS:
        raise InvalidMemory(
            f"a memory of {len(content)} characters is too long; summarise it, or divide it into "
            f"several of at most {_MOST_CHARS}"
        )
    if not 0 <= importance <= 1:
        raise InvalidMemory(f"an importance of {importance!r} is not within 0 to 1")
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidMemory("tags must be a list of texts, like ['parcel', 'late']")
    if len(set(tags)) > _MOST_TAGS:
        raise InvalidMemory(f"{len(set(tags))} tags are too many; give at most {_MOST_TAGS}")
