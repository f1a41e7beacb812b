"""Secrets in base64, one level of it. Pure."""

import binascii
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence

from spanledger.processors.redact.cuts import Cut
from spanledger.processors.redact.view import View

#: Finds the secrets of a text that is not encoded.
FindPlain = Callable[[str], Sequence[Cut]]

#: Four characters of base64 that stand for three of ASCII, with tabs and line breaks: of eight
#: bits the first is never set, and of the next two at least one (but in those breaks).
_FOUR = (
    rb"[CDI-Za-f]"
    rb"[AC-HQS-Xgi-nw-z0-3]"
    rb"[ABEFIJMNQRUVYZcdghklopstwx014589]"
    rb"[A-Za-z0-9+/_-]"
)
_ENCODED_TEXT = re.compile(rb"(?:" + _FOUR + rb"){4,}+")
_ENCODED_FOUR = re.compile(_FOUR)
_REST = re.compile(rb"[A-Za-z0-9+/_-]{0,4}+={0,2}")
_STANDARD = bytes.maketrans(b"-_", b"+/")


def find_in_base64(
    view: View, runs: Iterable[tuple[int, int]], find_plain: FindPlain
) -> Iterator[Cut]:
    """Each part of a run that holds a secret once it is decoded."""
    places = list(_encoded_texts(view.data, runs))
    decoded = [_decode(view.data[start:end]) for start, end in places]
    for number, cuts in _by_piece(decoded, find_plain):
        yield Cut(*places[number], cuts[0].kind)


def _by_piece(pieces: Sequence[str], find_plain: FindPlain) -> Iterator[tuple[int, list[Cut]]]:
    """The pieces in which there are secrets. All are searched at once, one to a line."""
    if not pieces:
        return
    ends: list[int] = []
    for piece in pieces:
        ends.append((ends[-1] if ends else -1) + len(piece) + 1)
    found: dict[int, list[Cut]] = {}
    for cut in find_plain("\n".join(pieces)):
        found.setdefault(bisect_left(ends, cut.start + 1), []).append(cut)
    yield from found.items()


def _encoded_texts(data: bytes, runs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Where base64 of a text stands; a path or a name may be before and behind it."""
    done = 0
    for run_start, run_end in runs:
        at = max(done, run_start)
        while found := _ENCODED_TEXT.search(data, at, run_end):
            # It may go on behind a slash, where the run ends, and have begun before one.
            start, end = found.start(), _end_of(data, found.start())
            while start - 4 >= done and _ENCODED_FOUR.match(data, start - 4):
                start -= 4
            yield start, end
            done = at = end


def _end_of(data: bytes, start: int) -> int:
    whole = _ENCODED_TEXT.match(data, start)
    end = whole.end() if whole else start
    rest = _REST.match(data, end)
    return rest.end() if rest else end


def _decode(encoded: bytes) -> str:
    encoded = encoded.rstrip(b"=").translate(_STANDARD)
    if len(encoded) % 4 == 1:
        encoded = encoded[:-1]
    return binascii.a2b_base64(encoded + b"=" * (-len(encoded) % 4)).decode("latin-1")
