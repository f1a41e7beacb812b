"""The match clauses of the price file as rules without regular expressions. Pure.

ClickHouse's regular expressions (RE2) don't look ahead, and a list of a hundred of them for each
span would cost more than all the rest. The file's expressions are all of a few simple forms; one
that is not stops the generator, and somebody teaches it here.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

EQUALS: Final = 0
_KINDS: Final = {"equals": EQUALS, "starts_with": 1, "ends_with": 2, "contains": 3}
_STARTS: Final = 1

#: What a rule says beside its text: 0 nothing; of what follows the text that it is eight digits,
#: a date, begins with a digit; of the whole name that it is no speech model, has no slash.
_DIGITS_8, _DATE, _DIGIT, _NO_TTS, _NO_SLASH = 1, 2, 3, 4, 5
_TAILS: Final = {r"\d{8}$": _DIGITS_8, r"\d{4}-\d{2}-\d{2}$": _DATE, r"\d": _DIGIT}
_WHOLES: Final = {r"(?!.*-[tT][tT][sS](?:$|-))": _NO_TTS, r"(?![^/]+/)": _NO_SLASH}


class Rule(NamedTuple):
    """One way in which a (lower-case) name fits."""

    kind: int
    """0 equals, 1 begins with, 2 ends with, 3 contains."""
    text: str
    tail: int = 0


def rules(clause: Sequence[Any]) -> Iterator[Rule]:
    """The rules of a clause: it holds if one of them does.

    Raises:
        ValueError: a form that is not known here.
    """
    kind, value = clause
    if kind == "or":
        for part in value:
            yield from rules(part)
    elif kind == "and":
        yield from _both(value)
    elif kind == "regex":
        yield from _expanded(value)
    elif kind in _KINDS:
        yield Rule(_KINDS[kind], value)
    else:
        raise ValueError(f"unknown match clause {kind!r} in the price file")


def _both(parts: Sequence[Sequence[Any]]) -> Iterator[Rule]:
    """A text and, beside it, an expression about the whole name."""
    wholes = [_WHOLES.get(value.removeprefix("^")) for kind, value in parts if kind == "regex"]
    texts = [rule for part in parts if part[0] != "regex" for rule in rules(part)]
    if len(wholes) != 1 or wholes[0] is None or len(texts) != 1 or texts[0].tail:
        raise ValueError(f"the price file joins clauses in a way not known here: {parts!r}")
    yield texts[0]._replace(tail=wholes[0])


def _expanded(pattern: str) -> Iterator[Rule]:
    if not pattern.startswith("^"):
        raise ValueError(f"an expression without a beginning in the price file: {pattern!r}")
    rest, whole = pattern[1:], 0
    for text, number in _WHOLES.items():
        if rest.startswith(text):
            rest, whole = rest.removeprefix(text), number
    for text in _alternatives(rest):
        yield _rule(text, whole, pattern)


def _rule(text: str, whole: int, pattern: str) -> Rule:
    """One alternative: letters, then perhaps digits and the end."""
    letters, slash_d, tail = text.partition(r"\d")
    tail = slash_d + tail
    if letters.endswith("$") and not tail:
        letters, kind, number = letters[:-1], EQUALS, whole
    else:
        kind, number = _STARTS, _TAILS.get(tail, 0) if tail else whole
    literal = re.sub(r"\\(\W)", r"\1", letters)
    bare = re.sub(r"\\\W", "", letters)
    if set(bare) & set("\\^$.|?*+()[]{}") or (tail and (not number or whole)):
        raise ValueError(f"the price file has an expression of a form not known here: {pattern!r}")
    return Rule(kind, literal, number)


_GROUP: Final = re.compile(r"(?<!\\)\((?:\?:)?((?:[^()\\]|\\.)*)\)(\??)")
_SET: Final = re.compile(r"(?<!\\)\[([^\]\\^]+)\]")


def _alternatives(pattern: str) -> Iterator[str]:
    """The texts that groups and sets stand for, from the innermost group on."""
    if found := _GROUP.search(pattern):
        choices = [*found[1].split("|"), *([""] if found[2] else [])]
    elif found := _SET.search(pattern):
        choices = list(found[1])
    else:
        yield from pattern.split("|")
        return
    head, tail = pattern[: found.start()], pattern[found.end() :]
    for choice in choices:
        yield from _alternatives(head + choice + tail)
