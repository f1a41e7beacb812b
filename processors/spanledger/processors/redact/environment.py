"""The secrets of the environment, also those that come into it after the start."""

import os
import time
from collections.abc import Callable, Mapping

from spanledger.processors.redact.exact import secrets_of

#: How long a secret that a program sets may go unknown, in seconds, if nothing else changed.
_INTERVAL_S = 1.0
#: A program that makes up new values without end does not fill the memory.
_MOST = 1000


class EnvironmentSecrets:
    """The values of `start` and of the process's environment that must not leave.

    Programs read ``.env`` files, long after Spanledger was started; and what was once a secret
    stays one.
    """

    def __init__(
        self,
        start: Mapping[str, str],
        *,
        live: Mapping[str, str] = os.environ,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._live, self._clock_s = live, clock_s
        self._known = dict.fromkeys(secrets_of(start))
        self._size, self._read_s = -1, 0.0

    def changed(self) -> list[str] | None:
        """All secrets, the longest first, if there are new ones since the last time."""
        if not self._due():
            return None
        try:
            present = secrets_of(dict(self._live))
        except RuntimeError:
            # Another thread is setting a variable at this moment: the next text asks again.
            self._size = -1
            return None
        fresh = [secret for secret in present if secret not in self._known]
        if not fresh:
            return None
        known = dict.fromkeys((*self._known, *fresh))
        self._known = dict.fromkeys(present) if len(known) > _MOST else known
        return self.all()

    def all(self) -> list[str]:
        """All secrets, the longest first."""
        return sorted(self._known, key=lambda secret: (-len(secret), secret))

    def _due(self) -> bool:
        size, now_s = len(self._live), self._clock_s()
        if size == self._size and now_s - self._read_s < _INTERVAL_S:
            return False
        self._size, self._read_s = size, now_s
        return True
