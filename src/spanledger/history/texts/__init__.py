"""The sentences of the history, in several languages: plain tables of texts. Pure.

A language is a table with the keys of the English one; `{names}` are filled in. A key that is
missing in a table is said in English.
"""

from collections.abc import Iterable, Mapping

from spanledger.history.action import Action
from spanledger.history.texts.en import ENGLISH
from spanledger.history.texts.id import INDONESIAN

__all__ = ["LANGUAGES", "Texts", "duration", "money", "texts_of", "use_texts"]

LANGUAGES: dict[str, Mapping[str, str]] = {"en": ENGLISH, "id": INDONESIAN}
_MOST_NAMES = 6


class Texts:
    """The sentences of one language."""

    def __init__(self, table: Mapping[str, str]) -> None:
        self._table = {**ENGLISH, **table}

    def say(self, key: str, /, **parts: object) -> str:
        """One sentence with its parts filled in."""
        return self._table[key].format(**parts)

    def status(self, status: str) -> str:
        return self.say(f"status_{status}")

    def kind(self, kind: str) -> str:
        return self.say(f"kind_{kind}")

    def action(self, action: Action) -> str:
        """`the tool search`, with what it was given, where that is known."""
        named = self.say(f"the_{action.kind}", name=action.name or "–")
        return f"{named} ({action.arguments})" if action.arguments else named

    def names(self, actions: Iterable[Action]) -> str:
        return self._list([self.say(f"the_{a.kind}", name=a.name or "–") for a in actions])

    def failures(self, actions: Iterable[Action]) -> str:
        """Names with what went wrong."""
        return self._list(
            [
                f"{self.say(f'the_{a.kind}', name=a.name or '–')}"
                f" ({a.reason or a.error_type or self.status(a.status)})"
                for a in actions
            ]
        )

    def _list(self, names: list[str]) -> str:
        more = len(names) - _MOST_NAMES
        shown = names[:_MOST_NAMES]
        if more > 0:
            shown.append(self.say("more", count=more))
        return ", ".join(shown)


def texts_of(language: str) -> Texts:
    """The texts of a language.

    Raises:
        ValueError: there is none of that name.
    """
    if language not in LANGUAGES:
        known = ", ".join(sorted(LANGUAGES))
        raise ValueError(f"there is no language {language!r}; there are {known}")
    return Texts(LANGUAGES[language])


def use_texts(language: str, table: Mapping[str, str]) -> None:
    """Add a language, or replace one. Keys that it leaves out are said in English.

    Raises:
        ValueError: a key, or a part of a sentence, is not one of the English table's.
    """
    unknown = sorted(set(table) - set(ENGLISH))
    if unknown:
        raise ValueError(f"no sentence is called {', '.join(unknown)}; see history.texts.en")
    for key, text in table.items():
        _check(key, text)
    LANGUAGES[language] = dict(table)


def _check(key: str, text: str) -> None:
    if parts(text) - parts(ENGLISH[key]):
        wanted = ", ".join(sorted(parts(ENGLISH[key]))) or "no parts"
        raise ValueError(f"the sentence {key!r} has other parts than the English one ({wanted})")


def parts(text: str) -> set[str]:
    """The names that stand in braces.

    Raises:
        ValueError: the braces do not pair.
    """
    from string import Formatter

    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def duration(seconds: float) -> str:
    """``850 µs``, ``12.3 ms``, ``4.56 s``."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def money(nano_usd: int) -> str:
    """``$0.0012``: exact to the nano-dollar, at least cents."""
    whole, rest = divmod(nano_usd, 10**9)
    return f"${whole:,}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"
