"""What a failed attempt costs, from the way in which it failed. Pure.

nothing    it provably never reached the provider: everything that was reserved is freed
call       the provider refused it (4xx): it counts as a call and used nothing
estimate   it was sent and may have been worked on: input and streamed output are charged
unknown    an answer came that can't be read: the reservation is kept in full
"""

from typing import Literal

Charge = Literal["nothing", "call", "estimate", "unknown"]

#: Errors of httpx (and httpx2) that happen before a byte of the request is on its way.
_NOT_SENT = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "InvalidURL",
        "LocalProtocolError",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
    }
)


def charge_of(error: BaseException, *, answered: bool) -> Charge:
    """The charge for an attempt that ended in `error`; `answered`: a 2xx reply had come."""
    status = status_of(error)
    if status is not None:
        return charge_of_status(status)
    if answered:
        # A stream that broke, was cancelled or cut has produced output; anything else is a
        # reply that could not be parsed.
        return "unknown" if _is_unreadable(error) else "estimate"
    return "nothing" if _never_sent(error) else "estimate"


def charge_of_status(status: int) -> Charge:
    """The charge for an HTTP error status."""
    return "call" if 400 <= status < 500 else "estimate"


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of a client library carries."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and status >= 400 else None


def _is_unreadable(error: BaseException) -> bool:
    names = {cls.__name__ for cls in type(error).__mro__}
    return isinstance(error, (ValueError, TypeError)) or "APIResponseValidationError" in names


def _never_sent(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if type(seen).__name__ in _NOT_SENT:
            return True
        seen = seen.__cause__ or seen.__context__
    # Raised before the client had a transport to fail: a bad option, a missing key.
    return isinstance(error, (TypeError, ValueError)) and error.__cause__ is None
