"""Names that speak of a secret, in the spelling of variables, keys and options. Pure.

Two strengths. A `password` is one whatever it holds. A `token` or `key` is one if it is a text:
`max_tokens = 400` and `token_usage = {"input": 12}` are what people need to see.
"""

import re
from functools import lru_cache
from typing import Literal

REDACTED = "[redacted]"

Secrecy = Literal["open", "texts", "all"]

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_ALL = frozenset(
    {
        "authorization", "cookie", "cookies", "credential", "credentials", "cvv", "jwt", "otp",
        "passcode", "passphrase", "passwd", "password", "passwords", "pwd", "secret", "secrets",
        "ssn",
    }
)  # fmt: skip
_TEXTS = frozenset({"auth", "bearer", "dsn", "key", "signature", "token"})
#: Plural and harmless alone (`tokens`, `keys`), but not after one of these.
_PLURALS = frozenset({"keys", "tokens"})
_OWNERS = frozenset({"access", "api", "auth", "bearer", "private", "refresh", "secret", "session"})
#: Written without anything between the words.
_TOGETHER = (
    "apikey",
    "authkey",
    "accesskey",
    "privatekey",
    "secretkey",
    "authtoken",
    "accesstoken",
)
_LONGEST_NAME = 200


@lru_cache(maxsize=2048)
def secrecy_of(name: str) -> Secrecy:
    """How much of what stands under `name` must be hidden: nothing, its texts, all of it."""
    words = [word.lower() for word in _WORDS.findall(name[:_LONGEST_NAME])]
    known = set(words)
    if known & _ALL:
        return "all"
    if known & _TEXTS or (known & _PLURALS and known & _OWNERS):
        return "texts"
    together = name[:_LONGEST_NAME].lower()
    return "texts" if any(word in together for word in _TOGETHER) else "open"
