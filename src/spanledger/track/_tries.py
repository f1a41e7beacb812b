"""Which try of a piece of work this is: told by whoever tries again, read by who records a call."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Try:
    """One try of a piece of work that may be tried again."""

    __slots__ = ("number", "streamed")

    def __init__(self, number: int) -> None:
        self.number = number
        """1 for the first."""
        self.streamed = False
        """A part of an answer has reached the program: whatever fails now, it is too late."""


_current: ContextVar[Try | None] = ContextVar("spanledger-try", default=None)


#: The try that runs here; None if nobody would try again. A method of the variable itself: every
#: call asks.
current_try: Callable[[], Try | None] = _current.get


@contextmanager
def trying(this: Try) -> Iterator[None]:
    """A block that is `this` try: calls in it say so, and the clients' own retries are off."""
    token = _current.set(this)
    try:
        yield
    finally:
        _current.reset(token)
