"""How long to wait after failures, and how much to send then. Pure but for the dice."""

import random
from collections.abc import Callable

_FIRST_S = 0.5
_MOST_S = 30.0
#: A receiver that asks for more than this is not obeyed to the letter.
_MOST_ASKED_S = 300.0
#: While somebody waits for it (a flush, the end of the process).
HURRIED_S = 0.1

MOST_ITEMS = 512
_LEAST_ITEMS = 16


class Backoff:
    """Growing pauses with jitter, and smaller requests.

    The jitter keeps a fleet from coming back as one; a request that timed out because it was too
    large for the line is smaller the next time.
    """

    def __init__(self, dice: Callable[[], float] = random.random) -> None:
        self._dice = dice
        self._pause_s = 0.0
        self.most_items = MOST_ITEMS

    def succeeded(self) -> None:
        """Something arrived."""
        self._pause_s = 0.0
        self.most_items = min(MOST_ITEMS, self.most_items * 2)

    def failed(self) -> float:
        """Nothing arrived; seconds until the next attempt."""
        self.most_items = max(_LEAST_ITEMS, self.most_items // 2)
        self._pause_s = min(max(_FIRST_S, self._pause_s * 2), _MOST_S)
        return self._pause_s * (0.5 + self._dice() / 2)


def asked_for(seconds: float) -> float:
    """How long a receiver is left alone that asked for so many seconds."""
    return min(max(seconds, HURRIED_S), _MOST_ASKED_S)
