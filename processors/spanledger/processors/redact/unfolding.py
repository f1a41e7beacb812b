"""Texts in which a secret is written in another way, read as what they stand for. Pure.

A secret is found in what is read, and cut out of what is written: the rest stays as it is.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence

from spanledger.processors.redact.cuts import Cut

_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
_INVISIBLE_CHARACTER = re.compile(f"[{_INVISIBLE}]")
#: Format characters, and escapes as in JSON, at any depth.
_FOLDED = re.compile(rf"[{_INVISIBLE}]+|(?<!\\)\\++(?:u([0-9A-Fa-f]{{4}})|/)")
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")


class Unfolded:
    """`written` as it is read, and the way back to its own positions.

    `plain` says what a match of `pattern` stands for: nothing, one character, or itself.
    """

    def __init__(
        self, written: str, pattern: re.Pattern[str], plain: Callable[[re.Match[str]], str]
    ) -> None:
        self._written, self._pattern, self._plain = written, pattern, plain
        # Where it comes from is only asked when something is found in it.
        self.text = pattern.sub(plain, written)

    def back(self, cuts: Sequence[Cut]) -> list[Cut]:
        """The cuts in the text as it is written."""
        if not cuts:
            return []
        read, written = self._pieces()
        return [
            Cut(_start(cut.start, read, written), _end(cut.end, read, written), cut.kind)
            for cut in cuts
        ]

    def _pieces(self) -> tuple[list[int], list[int]]:
        """Positions in both texts from which on they go on alike."""
        read, written, at, length = [0], [0], 0, 0
        for fold in self._pattern.finditer(self._written):
            start, end = fold.span()
            length += start - at
            if size := len(self._plain(fold)):
                read.append(length)
                written.append(start)
            length += size
            read.append(length)
            written.append(end)
            at = end
        return read, written


def _start(position: int, read: list[int], written: list[int]) -> int:
    piece = bisect_right(read, position) - 1
    return written[piece] + position - read[piece]


def _end(position: int, read: list[int], written: list[int]) -> int:
    """Behind the character in front of `position`, which may be written as several."""
    piece = bisect_right(read, position - 1) - 1
    if piece + 1 < len(read) and read[piece + 1] == position:
        return written[piece + 1]
    return written[piece] + position - read[piece]


def unfold(text: str) -> Unfolded | None:
    """`text` without zero-width characters and escapes; None if there are none in it."""
    if "\\" in text and ("\\u" in text or "\\/" in text):
        return Unfolded(text, _FOLDED, _unescaped)
    if not text.isascii() and _INVISIBLE_CHARACTER.search(text):
        return Unfolded(text, _FOLDED, _unescaped)
    return None


def without_percents(text: str) -> Unfolded | None:
    """`text` with ``%2D`` and the like decoded; None if there is none of them in it."""
    if "%" in text and _PERCENT.search(text):
        return Unfolded(text, _PERCENT, _decoded)
    return None


def _decoded(fold: re.Match[str]) -> str:
    return chr(int(fold.group(1), 16))


def _unescaped(fold: re.Match[str]) -> str:
    code = fold.group(1)
    if code is None:
        return "/" if fold.group().endswith("/") else ""
    character = chr(int(code, 16))
    if _INVISIBLE_CHARACTER.match(character):
        return ""
    # Quotes and backslashes mean something else without their escape.
    return fold.group() if character in "\"'\\" else character
