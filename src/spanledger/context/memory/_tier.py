"""What every tier can do."""

from collections.abc import Collection, Sequence
from typing import Protocol

from spanledger.context.memory._item import Item, TierName, TierStats


class Tier(Protocol):
    """A place for memories. Every question but `cleanup` names its user."""

    @property
    def name(self) -> TierName: ...

    def put(self, items: Sequence[Item], now_s: float) -> None:
        """Write items; one of the same id is replaced. When it returns, they are kept."""

    def matching(self, user: str, words: Collection[str], most: int) -> list[Item]:
        """Items that share words with a query, those that share most first."""

    def tagged(self, user: str, tags: Collection[str], most: int, *, every: bool) -> list[Item]:
        """Items with any (or every one) of the tags, the last used first."""

    def newest(self, user: str, most: int) -> list[Item]:
        """The items that were used last."""

    def touch(self, user: str, ids: Collection[str], now_s: float) -> None:
        """Note that items were found. What was forgotten meanwhile does not come back."""

    def remove(self, user: str, ids: Collection[str]) -> int:
        """Remove items; how many there were."""

    def forget(self, user: str) -> int:
        """Remove all items of a user; how many there were."""

    def cleanup(self, now_s: float, before_s: float | None, least_strength: float) -> int:
        """Remove what was last used before a time, or is weaker; how many there were."""

    def stats(self, user: str | None) -> TierStats:
        """What it holds, of one user or of all."""

    def close(self) -> None:
        """Let go of files and connections."""
