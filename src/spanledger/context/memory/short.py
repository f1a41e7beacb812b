"""The short tier: this process, bounded."""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Literal

from spanledger.context._search import words as words_of
from spanledger.context.memory._item import Item, TierStats
from spanledger.context.memory._rules import item_strength
from spanledger.context.memory._weakest import Weakest

__all__ = ["ShortTier"]


class ShortTier:
    """Memories in a dict. The weakest goes when it is full. Safe to share between threads."""

    name: Literal["short"] = "short"

    def __init__(self, max_items: int = 1000) -> None:
        self._max_items = max_items
        self._lock = threading.Lock()
        self._items: dict[tuple[str, str], tuple[Item, frozenset[str]]] = {}
        self._weakest = Weakest(self._is_kept)

    def put(self, items: Sequence[Item], now_s: float) -> None:
        with self._lock:
            for item in items:
                self._keep(item, frozenset(words_of(item.content)))
            while len(self._items) > self._max_items:
                weakest = self._weakest.pop(now_s)
                del self._items[weakest.user, weakest.id]

    def matching(self, user: str, words: Collection[str], most: int) -> list[Item]:
        asked = frozenset(words)
        with self._lock:
            shared = [
                (len(asked & own), item)
                for item, own in self._items.values()
                if item.user == user and not asked.isdisjoint(own)
            ]
        shared.sort(key=lambda pair: (-pair[0], -pair[1].used_s, pair[1].id))
        return [item for _, item in shared[:most]]

    def tagged(self, user: str, tags: Collection[str], most: int, *, every: bool) -> list[Item]:
        asked = frozenset(tags)
        return self._last(
            lambda item: (
                item.user == user
                and (asked <= set(item.tags) if every else not asked.isdisjoint(item.tags))
            ),
            most,
        )

    def newest(self, user: str, most: int) -> list[Item]:
        return self._last(lambda item: item.user == user, most)

    def touch(self, user: str, ids: Collection[str], now_s: float) -> None:
        with self._lock:
            for key in ((user, name) for name in ids):
                if key in self._items:
                    item, words = self._items[key]
                    self._keep(replace(item, used_s=now_s, uses=item.uses + 1), words)

    def remove(self, user: str, ids: Collection[str]) -> int:
        with self._lock:
            return sum(self._items.pop((user, name), None) is not None for name in ids)

    def forget(self, user: str) -> int:
        return self._remove_if(lambda item: item.user == user)

    def cleanup(self, now_s: float, before_s: float | None, least_strength: float) -> int:
        return self._remove_if(
            lambda item: (
                (before_s is not None and item.used_s < before_s)
                or item_strength(item, now_s) < least_strength
            )
        )

    def stats(self, user: str | None) -> TierStats:
        with self._lock:
            items = [item for item, _ in self._items.values() if user in (None, item.user)]
        return TierStats(
            len(items),
            sum(len(item.content) for item in items),
            len({item.user for item in items}),
            min((item.created_s for item in items), default=None),
            max((item.created_s for item in items), default=None),
        )

    def close(self) -> None:
        """There is nothing to let go of."""

    def _last(self, wanted: Callable[[Item], bool], most: int) -> list[Item]:
        with self._lock:
            found = [item for item, _ in self._items.values() if wanted(item)]
        return sorted(found, key=lambda item: (-item.used_s, item.id))[:most]

    def _remove_if(self, unwanted: Callable[[Item], bool]) -> int:
        with self._lock:
            gone = [key for key, (item, _) in self._items.items() if unwanted(item)]
            for key in gone:
                del self._items[key]
            return len(gone)

    def _keep(self, item: Item, words: frozenset[str]) -> None:
        self._items[item.user, item.id] = (item, words)
        self._weakest.add(item, len(self._items))

    def _is_kept(self, item: Item) -> bool:
        found = self._items.get((item.user, item.id))
        return found is not None and found[0] is item
