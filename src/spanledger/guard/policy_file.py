"""The file with the rules, read again when it is another one than before."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spanledger.config import ConfigError, Document, find_file, load_settings, read_document
from spanledger.config.settings import POLICY_FILE_NAME
from spanledger.guard.policy import Policy, read_policy

#: A file that was changed less than this long ago may still be in the middle of it.
_REST_S = 0.1

_Stamp = tuple[object, ...]
_NEVER_READ: _Stamp = ("never read",)
_Seen = tuple[Path | None, _Stamp]


class PolicyFile:
    """The rules of the file and of the environment.

    `environ`, `cwd` and `overrides` are those of the start: where the process goes later, and
    what it does to its environment, changes no limits.
    """

    def __init__(
        self, environ: Mapping[str, str], cwd: Path, overrides: Mapping[str, Any] | None = None
    ) -> None:
        self._environ, self._overrides = environ, overrides
        self._cwd = cwd.absolute()
        self._accepted: _Seen = (None, _NEVER_READ)
        self._last: _Seen = self._accepted

    def changed(self) -> bool:
        """Whether it is another one than what was accepted last."""
        return self._look() != self._accepted

    def at_rest(self, pause: Callable[[float], object]) -> bool:
        """Whether nobody seems to write it at this moment; `pause` waits so many seconds."""
        before = self._look()
        pause(_REST_S)
        return self._look() == before

    def document(self) -> Document:
        """The file's text and tables; empty if there never was one. Raises `ConfigError`."""
        # Before it is read: what is written meanwhile is seen the next time.
        self._last = self._look()
        path = self._last[0]
        if path is None and (gone := self._accepted[0]) is not None:
            # Not "no limits": an editor may be about to put the new one there.
            raise ConfigError("the file is gone", key="(file)", source=str(gone))
        return read_document(path)

    def accept(self) -> None:
        """What `document` gave last is in use."""
        self._accepted = self._last

    def policy(self) -> Policy:
        """The rules, read now and accepted. Raises `ConfigError`; then nothing was accepted."""
        document = self.document()
        settings = load_settings(document, environ=self._environ, overrides=self._overrides)
        policy = read_policy(document, settings.budget)
        self.accept()
        return policy

    def _look(self) -> _Seen:
        try:
            path = find_file(self._environ, self._cwd)
        except OSError as error:
            # Its folder can't be looked into; reading says so.
            path = self._cwd / POLICY_FILE_NAME
            return path, (error.errno,)
        path = None if path is None else self._cwd / path
        return path, () if path is None else _stamp_of(path)


def _stamp_of(path: Path) -> _Stamp:
    try:
        seen = os.stat(path)
    except OSError as error:
        return (error.errno,)
    # The inode and the time of its change, too: tools set the time of modification back.
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
