"""Whether this thread may wait for a server, or do so only by way of another thread."""

import asyncio
import threading


class Inside:
    """``with inside:`` around what a finaliser must not interrupt with the same.

    The garbage collector may run there, and collect a stream that settles its call. It asks
    `must_hand_over` first.
    """

    __slots__ = ("_here",)

    def __init__(self) -> None:
        self._here = threading.local()

    def __enter__(self) -> None:
        self._here.depth = getattr(self._here, "depth", 0) + 1

    def __exit__(self, *_error: object) -> None:
        self._here.depth -= 1

    def must_hand_over(self) -> bool:
        """This thread was interrupted inside, or it runs an event loop."""
        if getattr(self._here, "depth", 0):
            return True
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True
