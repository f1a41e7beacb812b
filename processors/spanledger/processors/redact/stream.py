"""Secrets that come in pieces: chunks of a stream, items of a list. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from spanledger.processors.redact.cuts import Cut, apply, mark

Find = Callable[[str], Sequence[Cut]]

#: Characters that are held back, so that what they begin may still be recognised.
HOLD = 256
#: A secret that has not ended after so many characters is no secret that anybody knows.
_LIMIT = 65_536
ENDLESS = mark("endless")


class StreamRedactor:
    """Takes a text in chunks and gives it back without secrets, `hold` characters late.

    After 65 536 characters of one unfinished secret, all the rest is left out.
    """

    def __init__(self, find: Find, *, hold: int = HOLD) -> None:
        self._find = find
        self._hold = hold
        #: What was given already, as far as it tells what comes after it, then what was not.
        self._text = ""
        self._given = 0
        self._overflowed = False

    def feed(self, chunk: str) -> str:
        """Add a chunk; what may be given by now."""
        if self._overflowed:
            return ""
        self._text += chunk
        # Not at each chunk of a few letters: a search costs the same for many.
        if len(self._text) - self._given < 2 * self._hold:
            return ""
        if len(self._text) - self._given > _LIMIT:
            return self._overflow()
        return self._give(len(self._text) - self._hold)

    def close(self) -> str:
        """The rest. The redactor is empty afterwards."""
        rest = "" if self._overflowed else self._give(len(self._text))
        self._text, self._given, self._overflowed = "", 0, False
        return rest

    def _give(self, end: int) -> str:
        cuts = self._find(self._text)
        for cut in cuts:
            if cut.start < end < cut.end:
                end = cut.start
        if end <= self._given:
            return ""
        given = _between(self._text, cuts, self._given, end)
        keep = max(0, end - self._hold)
        self._text, self._given = self._text[keep:], end - keep
        return given

    def _overflow(self) -> str:
        cuts = self._find(self._text)
        last = cuts[-1] if cuts else None
        if last is None or last.end < len(self._text) - self._hold:
            return self._give(len(self._text) - self._hold)
        given = _between(self._text, cuts, self._given, max(self._given, last.start))
        self._text, self._given, self._overflowed = "", 0, True
        return given + ENDLESS


def redact_pieces(pieces: Sequence[str], find: Find) -> list[str]:
    """The pieces of one text without the secrets that are seen when they are put together.

    Those that are seen in one of them alone are left for its own redaction, which comes after
    this: before it, a half would be cut out, and the other half not be known for one.
    """
    joined = "".join(pieces)
    cuts = find(joined)
    if not cuts:
        return list(pieces)
    ends = list(accumulate(map(len, pieces)))
    return [
        _between(joined, cuts, end - len(piece), end)
        for piece, end in zip(pieces, ends, strict=True)
    ]


def redact_items(items: Sequence[str], find: Find) -> list[str]:
    """The same for items of a list, which may belong together or not.

    Only what reaches from one item into the next is cut out, and no values of names: in a list of
    headers such a value would seem to go on into the next header.
    """
    from spanledger.processors.redact.names import KINDS

    ends = list(accumulate(map(len, items)))

    def crosses(cut: Cut) -> bool:
        return ends[bisect_right(ends, cut.start)] < cut.end

    return redact_pieces(
        items, lambda text: [cut for cut in find(text) if cut.kind not in KINDS and crosses(cut)]
    )


def _between(text: str, cuts: Sequence[Cut], start: int, end: int) -> str:
    """A part of the text with its cuts; the mark stands where a cut begins."""
    inside, at = [], start
    first = bisect_right(cuts, start, key=lambda cut: cut.end)
    for cut in cuts[first : bisect_left(cuts, end, key=lambda cut: cut.start)]:
        if cut.start < start:
            # Begun in an earlier part: its mark stands there.
            at = min(end, cut.end)
        else:
            inside.append(Cut(cut.start - start, min(cut.end, end) - start, cut.kind))
    shift = at - start
    moved = [Cut(c.start - shift, c.end - shift, c.kind) for c in inside]
    return apply(text[at:end], moved)
