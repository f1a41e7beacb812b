"""Summaries of any length of conversation, within budgets. Pure.

The recursion is a generator that asks for one summary after the other, so that a plain and an
async summariser drive the same steps.
"""

import math
import re
from collections import Counter
from collections.abc import Generator, Sequence
from typing import Any, Final, NamedTuple

from spanledger.context._cutting import CountText, chunks, cut
from spanledger.context.errors import SummaryFailed

#: Before the summary, in a message of the user: a system prompt would lend what users and tools
#: have said an authority that it never had.
PREFIX: Final = "Summary of the earlier conversation:\n"
#: A chunk's summary is at most this part of the chunk, so that each round shrinks what is left.
_SHRINK: Final = 4
_LEAST_CHUNK_TOKENS: Final = 32

_SENTENCE: Final = re.compile(r"[^.!?\n]+[.!?]*\s*")
_WORD: Final = re.compile(r"[^\W_]{4,}")


class Ask(NamedTuple):
    """One question to the summariser."""

    text: str
    max_tokens: int


def summary_steps(
    pieces: Sequence[str], max_tokens: int, chunk_tokens: int, count: CountText
) -> Generator[Ask, str, str]:
    """Yields what is to be summarised, takes each summary, returns the last.

    What is longer than a chunk is summarised chunk by chunk, and the summaries together again,
    until one chunk is left. An answer beyond its budget is cut.

    Raises:
        SummaryFailed: the summariser gave an empty text.
    """
    chunk_tokens = max(chunk_tokens, _LEAST_CHUNK_TOKENS)
    texts = chunks(pieces, chunk_tokens, count)
    while len(texts) > 1:
        shorter = []
        for text in texts:
            summary = yield from _asked(text, chunk_tokens // _SHRINK, count)
            shorter.append(summary)
        texts = chunks(shorter, chunk_tokens, count)
    return (yield from _asked(texts[0] if texts else "", max_tokens, count))


def _asked(text: str, max_tokens: int, count: CountText) -> Generator[Ask, str, str]:
    answer = yield Ask(text, max_tokens)
    summary = cut(answer.strip(), max_tokens, count) if isinstance(answer, str) else ""
    if not summary:
        raise SummaryFailed(
            f"the summariser gave no text for {count(text)} tokens within {max_tokens}; "
            "nothing was changed: give it another prompt, or more tokens"
        )
    return summary


def summary_message(text: str) -> dict[str, Any]:
    """The message that stands for what was summarised."""
    return {"role": "user", "content": PREFIX + text}


def extract(text: str, max_tokens: int, count: CountText) -> str:
    """The sentences with the most frequent words, in their order, as many as fit."""
    sentences = [s.strip() for s in _SENTENCE.findall(text) if s.strip()]
    frequency = Counter(word for s in sentences for word in set(_words(s)))
    ranked = sorted(range(len(sentences)), key=lambda i: (-_weight(sentences[i], frequency), -i))
    chosen: list[int] = []
    filled = 0
    for i in ranked:
        size = count(sentences[i]) + 1
        if filled + size <= max_tokens:
            chosen.append(i)
            filled += size
    best = " ".join(sentences[i] for i in sorted(chosen))
    return best or cut(text, max_tokens, count)


def _words(sentence: str) -> list[str]:
    return _WORD.findall(sentence.lower())


def _weight(sentence: str, frequency: Counter[str]) -> float:
    words = _words(sentence)
    # By the root of the length: neither the shortest nor the longest sentence always wins.
    return sum(frequency[word] for word in words) / math.sqrt(len(words) + 4)
