"""Which memory is the weakest, without looking at all of them. Pure; not for several threads.

Memories that were found equally often fade alike: which of two is the weaker never changes. So one
heap for each number of uses keeps their order, and only the tops of the heaps are compared.
"""

import heapq
import math
from collections.abc import Callable

from spanledger.context.memory._item import Item
from spanledger.context.memory._rules import HALF_LIFE_S, item_strength

__all__ = ["Weakest"]

_Entry = tuple[float, int, Item]
_SPARE = 64


class Weakest:
    """Heaps of items. What was changed or removed since stays in them until it comes up.

    `is_current` says whether an item is still the one that is kept.
    """

    def __init__(self, is_current: Callable[[Item], bool]) -> None:
        self._is_current = is_current
        self._heaps: dict[int, list[_Entry]] = {}
        self._number = 0
        self._entries = 0

    def add(self, item: Item, kept: int) -> None:
        """Take an item in; so many items are kept in all."""
        if self._entries > 2 * kept + _SPARE:
            self._sweep()
        self._number += 1
        # The number keeps equals in the order in which they came.
        entry = _order(item), self._number, item
        heapq.heappush(self._heaps.setdefault(item.uses, []), entry)
        self._entries += 1

    def pop(self, now_s: float) -> Item:
        """Take the weakest out. Raises ValueError if there is none."""
        tops = [heap for heap in self._heaps.values() if self._settled(heap)]
        weakest = min(tops, key=lambda heap: (item_strength(heap[0][2], now_s), heap[0][1]))
        self._entries -= 1
        return heapq.heappop(weakest)[2]

    def _settled(self, heap: list[_Entry]) -> bool:
        """Whether a heap has a top that is kept; drops what is in front of it."""
        while heap and not self._is_current(heap[0][2]):
            heapq.heappop(heap)
            self._entries -= 1
        return bool(heap)

    def _sweep(self) -> None:
        for uses, heap in list(self._heaps.items()):
            kept = [entry for entry in heap if self._is_current(entry[2])]
            heapq.heapify(kept)
            self._heaps[uses] = kept
        self._heaps = {uses: heap for uses, heap in self._heaps.items() if heap}
        self._entries = sum(map(len, self._heaps.values()))


def _order(item: Item) -> float:
    """The logarithm of its strength, but for what is the same for all of its heap at any time."""
    if item.importance <= 0:
        return -math.inf
    lives = item.used_s / (HALF_LIFE_S[item.tier] * (1 + item.uses))
    return math.log2(item.importance) + lives
