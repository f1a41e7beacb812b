"""Which actions have to do with some words. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from spanledger.history.action import Action
from spanledger.history.patterns import action_words, words_of

MOST_WORDS = 16


@dataclass(frozen=True, slots=True)
class Related:
    """An action that was found."""

    action: Action
    score: float
    """0 to 1: the part of the words that occur, or how near the meaning is."""


def query_words(query: str) -> list[str]:
    """The words that are looked for, at most `MOST_WORDS`.

    Raises:
        ValueError: there are none.
    """
    words = sorted(words_of(query[:2000]), key=lambda word: (-len(word), word))[:MOST_WORDS]
    if not words:
        raise ValueError(
            "there is no word to look for; give a few, as you would to a search engine"
        )
    return words


def related(actions: Iterable[Action], query: str, *, limit: int = 10) -> list[Related]:
    """The actions in which most words of `query` occur, the best first, then the newest.

    A word occurs also as the beginning of a longer one.

    Raises:
        ValueError: the query has no word.
    """
    words = query_words(query)
    found = [Related(action, _score(words, action_words(action))) for action in actions]
    matching = [each for each in found if each.score > 0]
    matching.sort(key=lambda each: (-each.score, -each.action.started_ns))
    return matching[:limit]


def _score(words: list[str], known: frozenset[str]) -> float:
    hits = sum(word in known or any(k.startswith(word) for k in known) for word in words)
    return round(hits / len(words), 4)
