"""What gates of clients that Stainless did not make have in common.

Such a client rarely says "this attempt failed and another follows". What can be seen is that an
attempt begins and how it ends: `Attempts` settles the one before when the next one begins, or
sooner where a hook between them exists. A gate wraps

- the outer function, with all attempts inside it: ``if (call := call_for(…)) is None`` it is none
  of ours, else ``with call:`` around ``call.first()``, which asks the guard and raises its refusal,
  and the client's own code; the answer is read behind it, by `observe`;
- the function of one attempt: `attempts_of` finds the call, ``begin()`` asks the guard for any but
  the first, ``failed()`` notes an error, ``answered()`` a reply;
- the hook before the client sleeps, if there is one: ``another_follows()``.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from spanledger.guard import SpanledgerRefusal
from spanledger.instrumentation._exchange import Exchange
from spanledger.instrumentation._facts import Answers, Request
from spanledger.instrumentation._failures import status_of
from spanledger.instrumentation._safely import refuse_where_limits_hold

#: Names of the clients whose gate is in force. A wrapper of ours that lies below one of
#: somebody else's can't be taken out again; without its name in here it does nothing.
active: set[str] = set()


class Attempts:
    """One call on its way through its client; a block in which that is known to what is below.

    `of` is whatever the functions below hold of the same call: the request, the connection.
    """

    __slots__ = ("_admitted", "_attached", "_failure", "_token", "connections", "exchange", "of")

    def __init__(self, exchange: Exchange, of: object) -> None:
        self.exchange = exchange
        self.of = of
        #: How many connections the present attempt has asked for, where a gate counts them.
        self.connections = 0
        self._admitted = False
        self._failure: tuple[int | None, BaseException | None, Any] | None = None

    def __enter__(self) -> Self:
        self._attached: Token[Context] = otel_context.attach(self.exchange.context())
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._over(error)
        _current.reset(self._token)
        otel_context.detach(self._attached)

    def first(self) -> None:
        """Ask for the first attempt, before the client does anything. Raises the refusal."""
        self.exchange.admit()
        self._admitted = True

    async def first_async(self) -> None:
        """`first` without blocking the event loop."""
        await self.exchange.admit_async()
        self._admitted = True

    def begin(self) -> None:
        """An attempt is about to be sent. Raises the refusal if there is no room for another."""
        if not self._has_been_admitted():
            self.exchange.admit()

    async def begin_async(self) -> None:
        """`begin` without blocking the event loop."""
        if not self._has_been_admitted():
            await self.exchange.admit_async()

    def _has_been_admitted(self) -> bool:
        admitted, self._admitted = self._admitted, False
        if not admitted:
            self.another_follows()
        return admitted

    def answered(self) -> None:
        """The headers of a reply have come with a 2xx status."""
        self.exchange.answered = True

    def failed(self, error: BaseException | None, *, status: int | None = None) -> None:
        """The attempt failed; the client has not decided yet whether it tries again."""
        if status is None and error is not None:
            status = status_of(error)
        self._failure = (status, error, getattr(error, "response", None))

    def failed_with(self, status: int, response: Any) -> None:
        """The attempt was answered with an error; `response` is what came."""
        self._failure = (status, None, response)

    def another_follows(self) -> None:
        """Settle the attempt that failed and give it a record of its own, if there is one."""
        failure, self._failure = self._failure, None
        if failure is not None:
            self.exchange.attempt_failed(*failure)

    def _over(self, error: BaseException) -> None:
        if not isinstance(error, Exception):
            # Interrupted or cancelled while the client slept between two attempts.
            self.another_follows()
        self.exchange.failed(error)


_current: ContextVar[Attempts | None] = ContextVar("spanledger-attempts", default=None)


def attempts_of(of: object) -> Attempts | None:
    """The call that is on its way here with `of`; another one may be inside it, or around it."""
    attempts = _current.get()
    return attempts if attempts is not None and attempts.of is of else None


def innermost() -> Attempts | None:
    """The call that is on its way here, whatever it is of."""
    return _current.get()


_lent: ContextVar[Exchange | None] = ContextVar("spanledger-lent", default=None)


@contextmanager
def lending(call: Attempts) -> Iterator[None]:
    """A block in which other clients work for `call`: their gates stand aside."""
    token = _lent.set(call.exchange)
    try:
        yield
    finally:
        _lent.reset(token)


def lent() -> Exchange | None:
    """The call of another library that a client works for here, if it does."""
    return _lent.get()


def call_for(
    client: str, of: object, read: Callable[[], tuple[Request, Answers] | None]
) -> Attempts | None:
    """The call that `read` makes of a request; None for one that is not gated.

    A failure of ours must not let a call through unmetered where limits hold: it becomes a
    refusal then. Raises that.
    """
    if client not in active or attempts_of(of) is not None or lent() is not None:
        return None
    try:
        found = read()
        return None if found is None else Attempts(Exchange(*found), of)
    except Exception as error:  # noqa: BLE001 - a failure of ours is not the host's
        refuse_where_limits_hold(error)
        return None


def observe(exchange: Exchange, look: Callable[[], None]) -> None:
    """Read an answer, or put observers on one that is still to come. Never breaks the answer."""
    try:
        look()
    except SpanledgerRefusal:
        raise
    except Exception as error:  # noqa: BLE001 - the answer belongs to the host
        exchange.failed(error)
    exchange.returned = True
