"""All finders together: the secrets of a text. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Self

from spanledger.processors.redact import cards, exact, pairs, pem, tokens, urls
from spanledger.processors.redact.base64_text import find_in_base64
from spanledger.processors.redact.cuts import Cut, apply, merge
from spanledger.processors.redact.exact import ExactValues
from spanledger.processors.redact.extra import ExtraPattern
from spanledger.processors.redact.names import kind_of_name
from spanledger.processors.redact.pairs import Pairs
from spanledger.processors.redact.tokens import Tokens
from spanledger.processors.redact.unfolding import unfold, without_percents
from spanledger.processors.redact.urls import Urls
from spanledger.processors.redact.view import View

#: Every class that can be switched on or off.
CLASSES = frozenset({exact.KIND, pem.KIND, *urls.KINDS, cards.KIND, *tokens.KINDS, *pairs.KINDS})
#: Long numbers are often ids, and one in ten passes the check of a card's number.
OFF_BY_DEFAULT = frozenset({cards.KIND})


class Engine:
    """Cuts secrets out of texts. Immutable, so that threads may share it.

    `secrets` are exact values; `classes` are those of `CLASSES` that are looked for.
    """

    def __init__(
        self,
        secrets: Sequence[str] = (),
        *,
        classes: Iterable[str] = CLASSES - OFF_BY_DEFAULT,
        extra: Sequence[ExtraPattern] = (),
    ) -> None:
        self._classes = frozenset(classes)
        self._extra = tuple(extra)
        self._exact = ExactValues(secrets if exact.KIND in self._classes else ())
        self._tokens = Tokens(tokens.KINDS & self._classes)
        self._urls = Urls(self._classes)
        self._pairs = Pairs(self._classes)

    def with_secrets(self, secrets: Sequence[str]) -> Self:
        """The same with other exact values."""
        other = copy(self)
        other._exact = ExactValues(secrets if exact.KIND in self._classes else ())
        return other

    def __call__(self, text: str) -> str:
        """`text` with a mark in the place of each secret, such as ``[redacted:openai-key]``."""
        cuts = self.find(text)
        return apply(text, cuts) if cuts else text

    def find(self, text: str) -> list[Cut]:
        """The secrets of `text`, in order, without overlaps."""
        if len(text) < exact.MIN_LENGTH:
            return []
        unfolded = unfold(text)
        if unfolded is None:
            return self._find(text)
        # Both: an escape may also stand between two words that belong apart.
        return merge([*unfolded.back(self._find(unfolded.text)), *self._find(text)])

    def named(self, name: str) -> str | None:
        """The class of what is called `name`; None if that is no name of a secret."""
        kind = kind_of_name(name)
        return kind if kind in self._classes else None

    def _find(self, text: str) -> list[Cut]:
        view = View(text)
        runs = list(view.runs())
        cuts = list(self._plain(view, runs))
        if runs:
            cuts += find_in_base64(view, runs, self._find_plain)
        if decoded := without_percents(text):
            cuts += decoded.back(self._find_plain(decoded.text))
        return merge(cuts) if len(cuts) > 1 else cuts

    def _find_plain(self, text: str) -> list[Cut]:
        view = View(text)
        return list(self._plain(view, list(view.runs())))

    def _plain(self, view: View, runs: Sequence[tuple[int, int]]) -> Iterator[Cut]:
        """In the order of rank: the first that finds something gives it its class."""
        yield from self._exact.find(view.text)
        if pem.KIND in self._classes:
            yield from pem.find_private_keys(view)
        yield from self._tokens.find(view, runs)
        for extra in self._extra:
            yield from extra.find(view.text)
        yield from self._urls.find(view)
        yield from self._pairs.find(view)
        if cards.KIND in self._classes:
            yield from cards.find_cards(view)
