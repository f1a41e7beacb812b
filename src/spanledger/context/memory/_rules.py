"""Where a memory lives, how it fades, and when it moves. Pure; ``docs/memory.md`` states them.

    strength = importance · 2^(−idle ÷ (half-life of the tier · (1 + uses)))

*idle* is the time since it was last written, found or merged. Each time that it is found makes
it last longer by another half-life.
"""

from typing import Final

from spanledger.context.memory._item import TIERS, Item, TierName

#: In seconds: an hour, a week, ninety days.
HALF_LIFE_S: Final[dict[TierName, float]] = {
    "short": 3600.0,
    "medium": 7 * 86400.0,
    "long": 90 * 86400.0,
}
#: What is weaker is forgotten at the next cleanup.
LEAST_STRENGTH: Final = 0.05
#: From here on a memory is on disk before `add` returns.
DURABLE_IMPORTANCE: Final = 0.3
#: From short to medium: found so often, or told so often.
TO_MEDIUM: Final = 2
#: From medium to long: this important, or found so often, or told so often.
TO_LONG_IMPORTANCE: Final = 0.8
TO_LONG_USES: Final = 5
TO_LONG_COUNT: Final = 3


def first_tier(importance: float) -> TierName:
    """Where a new memory is put. Never into the long tier: `add` does not wait for a network."""
    return "medium" if importance >= DURABLE_IMPORTANCE else "short"


def next_tier(item: Item) -> TierName:
    """The tier that an item belongs to now: its own, or a longer one."""
    if item.tier == "long" or _is_for_long(item):
        return "long"
    if item.tier == "medium" or max(item.uses, item.count) >= TO_MEDIUM:
        return "medium"
    return first_tier(item.importance)


def _is_for_long(item: Item) -> bool:
    return (
        item.importance >= TO_LONG_IMPORTANCE
        or item.uses >= TO_LONG_USES
        or item.count >= TO_LONG_COUNT
    )


def strength(importance: float, idle_s: float, uses: int, tier: TierName) -> float:
    """How strong a memory is after it was idle for so long: 0 to 1."""
    lives = max(0.0, idle_s) / (HALF_LIFE_S[tier] * (1 + uses))
    # Beyond this it is 0 for every purpose, and 2 ** -x would underflow.
    return float(importance * 2.0**-lives) if lives < 1000 else 0.0


def item_strength(item: Item, now_s: float) -> float:
    """`strength` of an item."""
    return strength(item.importance, now_s - item.used_s, item.uses, item.tier)


def relevance(fit: float, strong: float) -> float:
    """How high a memory ranks: what fits the query, a faded one for half as much."""
    return fit * (1 + strong) / 2


def longer(first: TierName, second: TierName) -> TierName:
    """The one of two tiers that keeps longer."""
    return max(first, second, key=TIERS.index)
