"""`error`: an exception that the program has dealt with, on record all the same."""

from opentelemetry.trace import Status, StatusCode

from spanledger.track._marks import open_span
from spanledger.track._reporting import reporter


def error(exception: BaseException, /, **details: object) -> str:
    """Record an exception that was caught, with all that is known of it; an id to find it by.

    It goes to the span that is open, whose status stays as it is. `details` are recorded beside
    it, bounded and without secrets. The id is the same wherever the exception is seen again.

    >>> try:
    ...     raise TimeoutError("the index is rebuilt")
    ... except TimeoutError as problem:
    ...     found = error(problem, index="papers", attempt=2)

    Raises `TypeError` if `exception` is none.
    """
    if not isinstance(exception, BaseException):
        raise TypeError(f"track.error() takes an exception, not {type(exception).__name__}")
    kind = type(exception).__qualname__
    with open_span(f"error {kind}") as (span, own):
        if own:
            span.set_status(Status(StatusCode.ERROR, kind))
        return reporter().handled(span, exception, details)
