"""Names that speak of a secret: of environment variables, and of keys in texts. Pure."""

import re
from functools import lru_cache

#: KEY, TOKEN, SECRET, PASSWORD … in the name of an environment variable; TOKENIZERS_PARALLELISM,
#: KEYBOARD_LAYOUT and KEYCLOAK_HOST are no secrets.
_VARIABLE = re.compile(
    r"KEY(?!BOARD|WORD|CLOAK|STONE)|TOKEN(?!IZ)|SECRET(?!ARY)|PASSW|PASSPHRASE|CREDENTIAL"
    r"|(?:^|_)PASS(?:$|_)",
    re.IGNORECASE,
)

#: A key is a secret if one of these stands in front of the word.
_KEYS = (
    "api", "apps", "access", "account", "auth", "client", "encryption", "host", "master",
    "private", "secret", "service", "shared", "signing", "storage", "subscription",
)  # fmt: skip

#: The words that name a secret at the end of a name, from their end: there are far fewer colons
#: and equals signs than words that might be a name. Each begins with a plain letter, and so is
#: passed over quickly. A plural names one too, but for tokens, which are counted.
_WORDS = (
    "drowssap|dwssap|esarhpssap|dwp(?=[;_.\"' -]|bd|resu)"
    f"|yek[_. -]?(?:{'|'.join(key[::-1] for key in _KEYS)})"
    "|terces|laitnederc|nekot(?<!snekot)|noitazirohtua|eikooc|gis(?=[?&])"
)
#: The word is group 1; numbers may be behind it (``api_key_2``).
BACKWARDS = f"(?:[0-9]{{1,3}}[_-]?)?+s?+({_WORDS})".encode()
_AT_END = re.compile(BACKWARDS)

_KIND_OF = {
    b"dro": "password",
    b"dws": "password",
    b"esa": "password",
    b"dwp": "password",
    b"yek": "api-key",
    b"ter": "secret",
    b"lai": "secret",
    b"nek": "token",
    b"noi": "authorization",
    b"eik": "cookie",
    b"gis": "signature",
}
KINDS = frozenset(_KIND_OF.values())


def is_secret_variable(name: str) -> bool:
    """Whether an environment variable of this name holds a secret."""
    return _VARIABLE.search(name) is not None


def kind_found(found: re.Match[bytes]) -> str:
    """The class of the word that `BACKWARDS` found."""
    return _KIND_OF[found.group(1)[:3]]


@lru_cache(maxsize=4096)
def kind_of_name(name: str) -> str | None:
    """The class of the value that a key or an attribute of this name has; None: no secret."""
    # In front a character that is no letter, for words that must not stand inside another.
    backwards = ("." + name).encode("ascii", "replace").lower()[::-1]
    found = _AT_END.match(backwards)
    return kind_found(found) if found else None
