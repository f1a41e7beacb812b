"""Patterns of the user's own, checked so that no text can make one slow. Pure.

A pattern is slow when two of its repetitions can divide a text among them in many ways: nested
ones, or several in a row. Each repetition must have an upper bound, and the numbers of ways are
multiplied; possessive ones (``{2,40}+``) have only one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# The structure of a pattern is not public; the names below are there since 3.11.
from re import _constants as op  # type: ignore[attr-defined]  # not in typeshed
from re import _parser as parser  # type: ignore[attr-defined]  # not in typeshed
from typing import Any

from spanledger.processors.redact.cuts import Cut

_MAX_LENGTH = 1000
_MAX_REPEAT = 4000
#: Ways in which one match may divide a text: each costs some nanoseconds, at every character.
_MAX_WAYS = 5000
_TOO_MANY = 10**6
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class PatternError(ValueError):
    """A pattern that can't be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class ExtraPattern:
    """A pattern with the class that its mark names."""

    kind: str
    pattern: re.Pattern[str]

    def find(self, text: str) -> Iterator[Cut]:
        """All that matches; group 1, if there is one, is what is cut out."""
        group = 1 if self.pattern.groups else 0
        for found in self.pattern.finditer(text):
            start, end = found.span(group)
            if end > start:
                yield Cut(start, end, self.kind)


def extra_pattern(entry: str) -> ExtraPattern:
    """The pattern of an entry ``name: expression``. Raises `PatternError`."""
    kind, colon, source = entry.partition(":")
    kind, source = kind.strip(), source.strip()
    if not colon or not _NAME.fullmatch(kind):
        raise PatternError(
            "write it as `name: expression`, the name in lower case letters, digits and hyphens"
        )
    return ExtraPattern(kind, _compile(source))


def _compile(source: str) -> re.Pattern[str]:
    if not source or len(source) > _MAX_LENGTH:
        raise PatternError(f"an expression has 1 to {_MAX_LENGTH} characters")
    try:
        compiled, parsed = re.compile(source), parser.parse(source)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"not a regular expression: {error}") from error
    if parsed.getwidth()[0] == 0:
        raise PatternError("it matches the empty text; let it match at least one character")
    if (ways := _ways(parsed)) > _MAX_WAYS:
        raise PatternError(
            f"some texts would make it slow ({ways} ways to match): use smaller bounds, or "
            "possessive repetitions such as {2,40}+"
        )
    return compiled


def _ways(parsed: Any) -> int:
    """An upper bound on the ways in which `parsed` can match from one position."""
    ways = 1
    for code, argument in parsed:
        # Cut off: the number has only to be too large, not right.
        ways = min(_TOO_MANY, ways * _ways_of(code, argument))
    return ways


def _ways_of(code: Any, argument: Any) -> int:
    if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return _ways_of_repeat(code, *argument)
    return sum(map(_ways, _inside(code, argument))) or 1


def _inside(code: Any, argument: Any) -> list[Any]:
    """The expressions inside of a group, a branch or a look-around; one of them matches."""
    if code is op.BRANCH:
        return list(argument[1])
    if code is op.SUBPATTERN:
        return [argument[-1]]
    if code is op.ATOMIC_GROUP:
        return [argument]
    if code in (op.ASSERT, op.ASSERT_NOT):
        return [argument[1]]
    if code is op.GROUPREF_EXISTS:
        return [branch for branch in argument[1:] if branch is not None]
    return []


def _ways_of_repeat(code: Any, least: int, most: int, body: Any) -> int:
    if most > _MAX_REPEAT:
        raise PatternError(
            f"a repetition has no bound below {_MAX_REPEAT}: write {{1,200}} instead of + or *"
        )
    inside = _ways(body)
    if code is op.POSSESSIVE_REPEAT:
        return inside
    return int(min(_TOO_MANY, (most - least + 1) * inside ** min(most, 20)))
