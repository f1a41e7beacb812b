"""One thing that is remembered. Pure."""

from dataclasses import dataclass
from typing import Literal

TierName = Literal["short", "medium", "long"]
TIERS: tuple[TierName, ...] = ("short", "medium", "long")


@dataclass(frozen=True, slots=True)
class Item:
    """One memory of one user."""

    id: str
    user: str
    """Whose it is; empty: nobody's in particular."""
    content: str
    importance: float
    """From 0 to 1."""
    tags: tuple[str, ...]
    created_s: float
    """Seconds since 1970."""
    used_s: float
    """When it was last written, found or merged."""
    uses: int = 0
    """How often it was found."""
    count: int = 1
    """How many near-duplicates it stands for, itself included."""
    tier: TierName = "short"


@dataclass(frozen=True, slots=True)
class TierStats:
    """What one tier holds."""

    items: int = 0
    characters: int = 0
    users: int = 0
    oldest_s: float | None = None
    """When its oldest item was made, in seconds since 1970."""
    newest_s: float | None = None
