"""What is cut out of a text, and the text without it. Pure."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple


class Cut(NamedTuple):
    """Characters `start` to `end` are a secret of one class."""

    start: int
    end: int
    kind: str


def mark(kind: str) -> str:
    """What stands in the place of a secret."""
    return f"[redacted:{kind}]"


#: The mark of secrets that the environment holds.
REDACTED = mark("environment")


def merge(cuts: Iterable[Cut]) -> list[Cut]:
    """The cuts in order, without overlaps. Of two that overlap, the first found gives the class."""
    # The same is often found twice: folded and unfolded, by its name and as a flag.
    cuts = list(dict.fromkeys(cuts))
    if all(one.end <= following.start for one, following in pairwise(cuts)):
        return cuts
    ranked = sorted((cut.start, rank, cut) for rank, cut in enumerate(cuts))
    merged: list[tuple[int, Cut]] = []
    for start, rank, cut in ranked:
        if merged and start < merged[-1][1].end:
            other_rank, other = merged[-1]
            kind = other.kind if other_rank < rank else cut.kind
            whole = Cut(other.start, max(other.end, cut.end), kind)
            merged[-1] = (min(other_rank, rank), whole)
        else:
            merged.append((rank, cut))
    return [cut for _, cut in merged]


def apply(text: str, cuts: Sequence[Cut]) -> str:
    """`text` with a mark in the place of each cut; they are in order and don't overlap."""
    parts: list[str] = []
    at = 0
    for cut in cuts:
        parts += (text[at : cut.start], mark(cut.kind))
        at = cut.end
    return "".join((*parts, text[at:]))
