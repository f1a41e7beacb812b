"""Which texts a query is about, by the words that they share. Pure."""

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

_WORD: Final = re.compile(r"\w+")
_SHORTEST: Final = 2


def words(text: str) -> list[str]:
    """The words of a text, as they are compared."""
    return [word for word in _WORD.findall(text.casefold()) if len(word) >= _SHORTEST]


def scores(query: Collection[str], texts: Sequence[Collection[str]]) -> list[float]:
    """How well each text (its words) fits the words of a query: 0 to 1, rare words count more."""
    asked = set(query)
    having = Counter(word for text in texts for word in asked & set(text))
    weight = {word: math.log1p(len(texts) / having[word]) for word in asked if having[word]}
    whole = sum(weight.values()) + math.log1p(len(texts)) * (len(asked) - len(weight))
    if not whole:
        return [0.0] * len(texts)
    return [sum(weight.get(word, 0.0) for word in asked & set(text)) / whole for text in texts]
