"""The redaction of a process, made when the first text comes. Cheap to import and to make."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from spanledger.config import ConfigError, Document, RedactionSettings

if TYPE_CHECKING:
    from spanledger.processors.redact.cuts import Cut
    from spanledger.processors.redact.pipeline import Pipeline

_log = logging.getLogger("spanledger.redaction")
_DEFAULT = RedactionSettings()


class Redaction:
    """What `settings` ask for, with the secrets of `environ` and of the process's environment.

    Settings that can't be used are logged, and the default ones hold.
    """

    def __init__(self, settings: RedactionSettings, environ: Mapping[str, str]) -> None:
        self._settings, self._environ = settings, environ
        self._made: Pipeline | None = None

    def __call__(self, text: str) -> str:
        """`text` without secrets, after all steps."""
        return self._pipeline()(text)

    def cut(self, text: str) -> str:
        """`text` without secrets, by our engine alone: quick enough for the program's threads."""
        return self._pipeline().engine(text)

    def find(self, text: str) -> "list[Cut]":
        """Where the engine sees secrets."""
        return self._pipeline().find(text)

    def named(self, name: str) -> str | None:
        """The class of what is called `name`; None if that is no name of a secret."""
        return self._pipeline().named(name)

    def failures(self) -> Mapping[str, int]:
        """How many texts were dropped, by the step that failed: ``engine``, ``hook``, ``pii``."""
        return self._made.failures() if self._made is not None else {}

    def _pipeline(self) -> "Pipeline":
        # No lock: two threads may each make one, and a fork must not find it taken.
        made = self._made
        if made is None:
            made = self._made = self._make()
        return made

    def _make(self) -> "Pipeline":
        from spanledger.processors.redact.build import redaction_of

        try:
            return redaction_of(self._settings, self._environ)
        except ConfigError as error:
            _log.error("%s The default redaction holds.", error)
            return redaction_of(_DEFAULT, self._environ)


def check_redaction(
    settings: RedactionSettings, environ: Mapping[str, str], document: Document
) -> None:
    """Raises `ConfigError` if `settings` can't be used."""
    if settings != _DEFAULT:
        from spanledger.processors.redact.build import redaction_of

        redaction_of(settings, environ, document)
