"""When to ask a server again that did not answer. Pure: *now* is an argument, in seconds."""

FAILURES = 3
FIRST_S = 0.5
LONGEST_S = 10.0


class Backoff:
    """After `FAILURES` failures in a row nobody asks for a while, then one at a time does.

    Not locked: two callers at the same instant may both ask, which harms nobody.
    """

    __slots__ = ("_failures", "_pause_s", "_until")

    def __init__(self) -> None:
        self.worked()

    def worked(self) -> None:
        """An answer came: everybody may ask."""
        self._failures = 0
        self._pause_s = FIRST_S
        self._until = float("-inf")

    def failed(self, now: float) -> None:
        """No answer came."""
        self._failures += 1
        if self._failures >= FAILURES:
            self._until = now + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_S)

    def allows(self, now: float) -> bool:
        """Whether to ask now. Who is let through after a pause is the only one until it ends."""
        if now < self._until:
            return False
        if self._failures >= FAILURES:
            self._until = now + self._pause_s
        return True

    @property
    def healthy(self) -> bool:
        """Whether the last answer came."""
        return not self._failures
