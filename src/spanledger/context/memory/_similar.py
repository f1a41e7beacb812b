"""Near-duplicates among memories. Pure.

Texts are compared by their shingles: every four characters of the normalised text. Two are
near-duplicates if at least 0.7 of all their shingles are shared (Jaccard), and they hold the same
numbers and the same negations: "order 4711 is late" and "order 4712 is late" share nearly all of
their shingles and are two facts. Candidates are found by MinHash (one permutation, 32 bins, in 16
bands of two), so that not each is compared with each: pairs at 0.7 are found with a probability
above 0.9999.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final
from zlib import crc32

from spanledger.context.memory._item import Item
from spanledger.context.memory._rules import longer

LEAST_SIMILARITY: Final = 0.7
_SHINGLE: Final = 4
_BINS: Final = 32
_ROWS: Final = 2
_WORD: Final = re.compile(r"\w+(?:'\w+)?")
_NEGATIONS: Final = frozenset({"no", "not", "never", "none", "without", "nor", "cannot"})


def shingles(text: str) -> frozenset[str]:
    """Every four characters in a row of a text without case, punctuation and double blanks."""
    plain = " ".join(_WORD.findall(text.casefold()))
    if len(plain) <= _SHINGLE:
        return frozenset({plain})
    return frozenset(plain[i : i + _SHINGLE] for i in range(len(plain) - _SHINGLE + 1))


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """The share of all shingles that both have."""
    whole = len(first | second)
    return len(first & second) / whole if whole else 1.0


def similar(first: str, second: str) -> bool:
    """Whether two texts say the same."""
    alike = jaccard(shingles(first), shingles(second)) >= LEAST_SIMILARITY
    return alike and _facts(first) == _facts(second)


def groups(texts: Sequence[str]) -> list[list[int]]:
    """The texts by near-duplicates: each a list of places, in order; each text is in one.

    A text joins the first group whose first text it is similar to.
    """
    cut = [shingles(text) for text in texts]
    facts = [_facts(text) for text in texts]
    heads: dict[tuple[int, ...], list[int]] = defaultdict(list)
    found: dict[int, list[int]] = {}
    for place, own in enumerate(cut):
        bands = list(_bands(own))
        candidates = dict.fromkeys(head for band in bands for head in heads[band])
        head = next(
            (
                head
                for head in candidates
                if facts[head] == facts[place] and jaccard(cut[head], own) >= LEAST_SIMILARITY
            ),
            None,
        )
        if head is not None:
            found[head].append(place)
            continue
        found[place] = [place]
        for band in bands:
            heads[band].append(place)
    return list(found.values())


def merged(items: Sequence[Item]) -> Item:
    """One item for several near-duplicates: the newest content, the most important, in the
    longest tier, under the id of the oldest."""
    oldest = min(items, key=lambda item: (item.created_s, item.id))
    newest = max(items, key=lambda item: (item.created_s, item.id))
    tier = oldest.tier
    for item in items:
        tier = longer(tier, item.tier)
    return replace(
        oldest,
        content=newest.content,
        importance=max(item.importance for item in items),
        tags=tuple(sorted({tag for item in items for tag in item.tags})),
        used_s=max(item.used_s for item in items),
        uses=sum(item.uses for item in items),
        count=sum(item.count for item in items),
        tier=tier,
    )


def _facts(text: str) -> tuple[str, ...]:
    """What must be the same to the letter: numbers, and words that turn a sentence around."""
    found = _WORD.findall(text.casefold())
    return tuple(
        sorted(
            "not" if word in _NEGATIONS or word.endswith("n't") else word
            for word in found
            if word in _NEGATIONS or word.endswith("n't") or any(c.isdigit() for c in word)
        )
    )


def _bands(own: frozenset[str]) -> Iterator[tuple[int, ...]]:
    sketch = _sketch(own)
    for band in range(_BINS // _ROWS):
        yield (band, *sketch[band * _ROWS : (band + 1) * _ROWS])


def _sketch(own: frozenset[str]) -> list[int]:
    """The least hash of each bin; an empty bin borrows from the next that is not."""
    bins: list[int | None] = [None] * _BINS
    for shingle in own:
        # Mixed, because the low bits of a CRC of four characters are no hash.
        value = (crc32(shingle.encode("utf-8", "surrogatepass")) * 0x9E3779B1) & 0xFFFFFFFF
        place, rest = value >> 27, value & 0x7FFFFFF
        known = bins[place]
        if known is None or rest < known:
            bins[place] = rest
    return [_borrowed(bins, place) for place in range(_BINS)]


def _borrowed(bins: Sequence[int | None], place: int) -> int:
    for distance in range(_BINS):
        value = bins[(place + distance) % _BINS]
        if value is not None:
            # Two texts that borrow from as far agree; from another distance they do not.
            return value + distance * (1 << 27)
    return 0
