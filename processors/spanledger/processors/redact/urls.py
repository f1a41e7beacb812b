"""Addresses that hold a secret: ``scheme://user:password@host``, and webhooks. Pure."""

import re
from collections.abc import Iterable, Iterator

from spanledger.processors.redact.cuts import Cut
from spanledger.processors.redact.view import View

URL_PASSWORD = "url-password"  # noqa: S105 - a class of secrets
KINDS = frozenset({URL_PASSWORD, "slack-webhook", "discord-webhook"})

_SEPARATOR = b"://"
#: A user can't hold a colon, so that the first one divides; a password ends at the last ``@``.
_USER_INFO = re.compile(rb"://[^\s/:@?#\"'<>\\]{0,200}+:([^\s/?#\"'<>\\]{1,1000}+)")

#: Who knows such an address may post to it.
_WEBHOOKS = (
    (
        "slack-webhook",
        b"hooks.slack.com/",
        re.compile(rb"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_-]{16,}+"),
    ),
    (
        "discord-webhook",
        b"/api/webhooks/",
        re.compile(rb"/api/webhooks/[0-9]{16,20}/[A-Za-z0-9_-]{40,}+"),
    ),
)


class Urls:
    """Finds secrets of the classes in `kinds` in addresses."""

    def __init__(self, kinds: Iterable[str] = KINDS) -> None:
        wanted = frozenset(kinds)
        self._passwords = URL_PASSWORD in wanted
        self._webhooks = [webhook for webhook in _WEBHOOKS if webhook[0] in wanted]

    def find(self, view: View) -> Iterator[Cut]:
        """Passwords in front of an ``@``, and the paths of webhooks."""
        if _SEPARATOR not in view.data:
            return
        if self._passwords and b"@" in view.data:
            yield from _find_passwords(view.data)
        for kind, literal, pattern in self._webhooks:
            if literal in view.data:
                for found in pattern.finditer(view.data):
                    yield Cut(found.start(), found.end(), kind)


def _find_passwords(data: bytes) -> Iterator[Cut]:
    for found in _USER_INFO.finditer(data):
        at = data.rfind(b"@", found.start(1), found.end())
        if at > found.start(1):
            yield Cut(found.start(1), at, URL_PASSWORD)
