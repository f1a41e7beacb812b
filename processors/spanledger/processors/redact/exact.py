"""Secrets whose value is known, such as those of the environment. Pure.

Exact values beat patterns: the search is cheap, and nothing is missed.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote, quote_plus, unquote, urlsplit

from spanledger.processors.redact.cuts import Cut
from spanledger.processors.redact.names import is_secret_variable

KIND = "environment"

#: Shorter values ("true", "1234") are no secrets and would tear holes into innocent text.
MIN_LENGTH = 8
#: What is shorter makes no run that is decoded, so its base64 is looked for as such. What is not
#: ASCII makes none either.
_SHORT = 16
#: JSON inside JSON inside JSON.
_JSON_LEVELS = 3


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """The values of an environment that must never leave, longest first.

    Those of variables whose name speaks of a secret, the headers of OTLP exporters, and
    passwords in addresses (``DATABASE_URL``).
    """
    values = {value for item in environ.items() for value in _secrets_in(*item)}
    return sorted((v for v in values if len(v) >= MIN_LENGTH), key=lambda v: (-len(v), v))


def _secrets_in(name: str, value: str) -> Iterator[str]:
    if is_secret_variable(name):
        yield value.strip()
    if name.endswith("_HEADERS"):
        for header in value.split(","):
            yield unquote(header.partition("=")[2]).strip()
    if "://" in value and "@" in value:
        yield from _passwords_in(value)


def _passwords_in(url: str) -> Iterator[str]:
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        return
    yield password
    yield unquote(password)


class ExactValues:
    """Finds `secrets` as they are, in JSON strings, percent-encoded, and short ones in base64."""

    def __init__(self, secrets: Sequence[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, self._forms)) or r"(?!)")
        self._truncated = [(secret[:MIN_LENGTH], secret) for secret in secrets]

    def find(self, text: str) -> Iterator[Cut]:
        """Each occurrence, and the beginning of one that is cut off by the end of the text."""
        # Plain searches skip; an alternation looks at every character.
        for form in self._forms:
            if form in text:
                for found in self._pattern.finditer(text):
                    yield Cut(found.start(), found.end(), KIND)
                break
        yield from self._find_truncated(text)

    def _find_truncated(self, text: str) -> Iterator[Cut]:
        """A limit on the length of attributes may have left the first half of a secret."""
        for beginning, secret in self._truncated:
            start = text.rfind(beginning, max(0, len(text) - len(secret)))
            if start >= 0 and secret.startswith(text[start:]):
                yield Cut(start, len(text), KIND)
                return


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield from _in_json(secret)
    if len(secret) < _SHORT or not secret.isascii():
        yield from _in_base64(secret.encode("utf-8", "replace"))


def _in_json(secret: str) -> Iterator[str]:
    for ascii_only in (True, False):
        form = secret
        for _ in range(_JSON_LEVELS):
            form = json.dumps(form, ensure_ascii=ascii_only)[1:-1]
            yield form


def _in_base64(secret: bytes) -> Iterator[str]:
    """What `secret` is in the base64 of any text that holds it: three ways, by its position."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret)
        # The first and last characters hold bits of the neighbours.
        start = (before * 8 + 5) // 6
        end = (before + len(secret)) * 8 // 6
        yield encoded[start:end].decode()
        yield encoded[start:end].translate(bytes.maketrans(b"+/", b"-_")).decode()
