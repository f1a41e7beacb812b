"""How much a message matters, as far as it can be seen from outside. Pure.

    importance = 0.5 · role + 0.3 · recency + 0.2 · referred

each between 0 and 1. *Role*: system 1, user 0.8, assistant 0.6, result of a tool 0.4. *Recency*:
0 for the oldest message, 1 for the newest. *Referred*: the share of the message's rare words
(the first 64 that are longer than four letters and in at most a third of all messages) that come
again in a later one.
What the caller says about a message wins over all of it.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from spanledger.context._messages import SYSTEM_ROLES, View

_WORD: Final = re.compile(r"[^\W_]{5,}")
_ROLE: Final = {"user": 0.8, "assistant": 0.6}
_RESULT: Final = 0.4
#: Of very long texts only the beginning is looked at.
_MOST_CHARS: Final = 20_000
_MOST_WORDS: Final = 64


def rare_words(text: str) -> frozenset[str]:
    """The words that may be referred to."""
    found = dict.fromkeys(_WORD.findall(text[:_MOST_CHARS].lower()))
    return frozenset(islice(found, _MOST_WORDS))


def importances(
    seen: Sequence[View],
    words: Sequence[frozenset[str]],
    told: Mapping[int, float] | None = None,
) -> list[float]:
    """The importance of each message, from 0 to 1."""
    told = told or {}
    referred = _referred(words)
    last = max(1, len(seen) - 1)
    return [
        _clamped(told[i])
        if i in told
        else round(0.5 * _role(message) + 0.3 * i / last + 0.2 * referred[i], 4)
        for i, message in enumerate(seen)
    ]


def _clamped(value: float) -> float:
    return min(1.0, max(0.0, float(value)))


def _role(message: View) -> float:
    if message.role in SYSTEM_ROLES:
        return 1.0
    if message.answers:
        return _RESULT
    return _ROLE.get(message.role, _RESULT)


def _referred(words: Sequence[frozenset[str]]) -> list[float]:
    common_from = max(2, len(words) // 3)
    total = Counter[str]()
    for some in words:
        total.update(some)
    common = {word for word, times in total.items() if times > common_from}
    later: set[str] = set()
    shares = [0.0] * len(words)
    for i in range(len(words) - 1, -1, -1):
        rare = words[i] - common
        if rare:
            shares[i] = len(rare & later) / len(rare)
            later |= rare
    return shares
