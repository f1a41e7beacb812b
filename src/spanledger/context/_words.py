"""Rare words of texts, remembered by a digest: a conversation is analysed again and again."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from spanledger.context._importance import rare_words
from spanledger.context._messages import View

_MOST_REMEMBERED: Final = 2048
_remembered: dict[bytes, frozenset[str]] = {}


def words_of(seen: Sequence[View]) -> list[frozenset[str]]:
    """The words of each message that others may refer to."""
    return [_words(message.text) for message in seen]


def _words(text: str) -> frozenset[str]:
    key = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    known = _remembered.get(key)
    if known is None:
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        known = _remembered[key] = rare_words(text)
    return known
