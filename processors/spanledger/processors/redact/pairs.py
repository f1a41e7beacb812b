"""Secrets that are known by their name: ``password=…``, ``"api_key": "…"``, ``--token …``. Pure.

JSON inside JSON has its quotes escaped, once for each level: a value ends at the next quote with
as many backslashes in front as the one that opened it.
"""

import re
from collections.abc import Iterable, Iterator

from spanledger.processors.redact.cuts import Cut
from spanledger.processors.redact.names import BACKWARDS, kind_found, kind_of_name
from spanledger.processors.redact.names import KINDS as NAMED_KINDS
from spanledger.processors.redact.view import View

BEARER, BASIC = "bearer-token", "basic-auth"
KINDS = NAMED_KINDS | {BEARER, BASIC}

#: Backwards: what divides a name from its value (``=``, ``:=``, ``:``, ``=>``, ``>``), the end
#: of its quotes, the name. It begins with plain characters, which makes the search fast.
_NAMED = re.compile(rb"(?:=[:=]?+\s{0,3}+|:\s{0,3}+|>(?:=\s{0,3}+)?+)[\"']?+\\*+" + BACKWARDS)
_SCHEME = re.compile(rb"b(?:earer|asic)(?:\s|%20|\+){1,3}+")
#: The next flag is no value.
_FLAG = re.compile(rb"--([a-z0-9_-]{3,40}+)(?:=|\\*+[\"']?,?\s{1,3}+)(?!--)")

#: What stands in the place of a value in schemas, types, forms and error messages.
_NO_VALUE = (
    rb"(?!\[redacted:|(?i:none|null|nil|true|false|string|str|bytes|object|any|optional|required"
    rb"|undefined|secretstr|default|empty|missing|unset|unknown|invalid|incorrect|wrong|expired)"
    rb"[.!]?(?:[\s\"',;)}\]\\]|$))"
)
#: What is in quotes that n backslashes escape (group 2) ends at the next such quote. Inside, a
#: quote has 2n + 1 of them, and a backslash is 2n + 2.
_IN_QUOTES = (
    rb"((\\{0,31}+)[\"'])"
    + _NO_VALUE
    + rb"((?:[^\"'\\\r\n]++|\\\\\2\2|\\\2\2[\"']|(?!\1)[^\r\n])++)"
)
#: More backslashes: JSON six times in JSON. There a quote with others in front is none.
_IN_DEEP_QUOTES = rb"(\\++[\"'])((?:[^\"'\\\r\n]++|(?!(?<!\\)\4)[^\r\n])++)"
#: Without quotes a backslash belongs to the value unless it escapes a quote or stands for the end
#: of a line. What is followed by a bracket is a call or an index in source code: what that gives
#: is not written there.
_BARE = (
    rb"(?:(?i:bearer|basic|token|digest|apikey)(?:\s|%20){1,3}+)?+"
    + _NO_VALUE
    + rb"((?:[^\s\"'\\,;&(){}\[\]<>]|\\(?![nrt\"'\\u]))++)(?![(\[{])"
)
_VALUE = re.compile(rb"\s{0,3}+(?:" + _IN_QUOTES + rb"|" + _IN_DEEP_QUOTES + rb"|" + _BARE + rb")")
#: Cookies are several values, up to the end of the line.
_LINE = re.compile(rb"\s{0,3}+(?:\\*+[\"'])?+([^\r\n\"'\\]++)")
_CREDENTIAL = re.compile(rb"[A-Za-z0-9._~+/-]{8,}+=*+")
#: A word of prose is no credential: one holds a digit, a capital or padding.
_NO_WORD = re.compile(rb"[0-9A-Z=]")

_MIN_LENGTH = {"password": 3, BEARER: 16, BASIC: 8}
_USUAL_MIN = 6
_NO_NUMBERS = frozenset({"token", "api-key"})


class Pairs:
    """Finds values of the classes in `kinds` by their names."""

    def __init__(self, kinds: Iterable[str] = KINDS) -> None:
        self._kinds = frozenset(kinds) & KINDS

    def find(self, view: View) -> Iterator[Cut]:
        """Each value whose name speaks of a secret."""
        yield from self._named(view)
        if b"bearer" in view.lower or b"basic" in view.lower:
            yield from self._schemes(view)
        if b"--" in view.lower:
            yield from self._flags(view)

    def _named(self, view: View) -> Iterator[Cut]:
        done, length = 0, len(view.data)
        for found in reversed([*_NAMED.finditer(view.lower[::-1])]):
            start = length - found.start()
            kind = kind_found(found)
            if start >= done and kind in self._kinds and (cut := _value(view.data, start, kind)):
                done = cut.end
                yield cut

    def _schemes(self, view: View) -> Iterator[Cut]:
        """Values of headers that stand without the header's name."""
        for found in _SCHEME.finditer(view.lower):
            kind = BEARER if found.group().startswith(b"bearer") else BASIC
            value = _CREDENTIAL.match(view.data, found.end())
            if value is None or kind not in self._kinds:
                continue
            if len(value.group()) >= _MIN_LENGTH[kind] and _NO_WORD.search(value.group()):
                yield Cut(value.start(), value.end(), kind)

    def _flags(self, view: View) -> Iterator[Cut]:
        done = 0
        for found in _FLAG.finditer(view.lower):
            # Cookies go on to the end of the line: what is inside is not looked at again and again.
            if found.end() < done:
                continue
            kind = kind_of_name(found.group(1).decode())
            if kind is None or kind not in self._kinds:
                continue
            cut = _value(view.data, found.end(), kind)
            if cut is not None and not view.data.startswith(b"--", cut.start):
                done = cut.end
                yield cut


def _value(data: bytes, start: int, kind: str) -> Cut | None:
    """The value that begins at `start`, if it may be a secret."""
    found = (_LINE if kind == "cookie" else _VALUE).match(data, start)
    if found is None:
        return None
    # The value is the last group that took part.
    start, end = found.span(found.lastindex or 0)
    if end - start < _MIN_LENGTH.get(kind, _USUAL_MIN):
        return None
    # Counts and ids are called so too.
    if kind in _NO_NUMBERS and data[start:end].isdigit():
        return None
    return Cut(start, end, kind)
