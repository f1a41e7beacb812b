"""What an answer or an error says about the health of the other side. Pure.

failed     5xx (529 too), connections and reads that failed or timed out, streams that broke off
           or can't be read
throttled  429
ok         any other answer: also a 4xx and a content filter come from a provider that works
cancelled  nothing is known of the provider: our own refusals, a caller that went away, a request
           that the client library could not even send
"""

from datetime import UTC

from spanledger.guard.breaker import Outcome, Throttled
from spanledger.guard.errors import SpanledgerRefusal

#: Class names of httpx, httpx2, requests, aiohttp, the standard library and the providers' clients.
_FAILURES = frozenset(
    {
        "APIConnectionError",
        "APIResponseValidationError",
        "APITimeoutError",
        "ClientPayloadError",
        "ConnectError",
        "ConnectTimeout",
        "ConnectionError",
        "DecodingError",
        "HTTPClientError",
        "IncompleteRead",
        "IncompleteReadError",
        "JSONDecodeError",
        "NetworkError",
        "ProtocolError",
        "ProxyError",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "ResponseParserError",
        "ResponseStreamingError",
        "ServerDisconnectedError",
        "ServerTimeoutError",
        "TimeoutError",
        "UnknownApiResponseError",
        "WriteError",
        "WriteTimeout",
    }
)
#: The request did not leave for a reason of our own side, whatever error that became.
_OURS = frozenset({"InvalidURL", "LocalProtocolError", "PoolTimeout", "UnsupportedProtocol"})

#: Errors of a stream whose head was 2xx; their subclasses carry a status of 400 and above.
_STREAM_ERRORS = frozenset({"APIError", "APIStatusError", "EventStreamError"})

_DEEPEST_CAUSE = 8


def outcome_of_status(status: int, retry_after_s: float | None = None) -> Outcome:
    """The outcome of a call that was answered with this HTTP status."""
    if status == 429:
        return Throttled(retry_after_s)
    return "failed" if status >= 500 else "ok"


def outcome_of_error(error: BaseException, retry_after_s: float | None = None) -> Outcome:
    """The outcome of a call to a provider that ended in `error`."""
    if not isinstance(error, Exception) or isinstance(error, SpanledgerRefusal):
        return "cancelled"
    status = status_of(error)
    if status is not None and status >= 400:
        return outcome_of_status(status, retry_after_s)
    names = class_names(error)
    if names & _OURS:
        return "cancelled"
    failed = names & _FAILURES or type(error).__name__ in _STREAM_ERRORS
    return "failed" if failed else "cancelled"


def outcome_of_tool_error(error: BaseException) -> Outcome:
    """The outcome of a tool that raised `error`: each of its own errors is a failure."""
    cancelled = not isinstance(error, Exception) or isinstance(error, SpanledgerRefusal)
    return "cancelled" if cancelled else "failed"


def parse_retry_after(value: str, wall_now: float) -> float | None:
    """Seconds of a ``Retry-After`` header: a number, or a date seen from `wall_now`.

    None if it can't be read. A time that has passed is 0.
    """
    text = value.strip()
    if text.replace(".", "", 1).isdecimal() and text.isascii():
        return float(text)
    # Imported here: it brings the whole of `email` and `socket` along, for a rare form.
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, when.timestamp() - wall_now)


def status_of(error: BaseException) -> int | None:
    """The HTTP status that an error of a client library carries; None if it has none."""
    response = getattr(error, "response", None)
    for holder, name in ((error, "status_code"), (response, "status_code"), (error, "code")):
        status = getattr(holder, name, None)
        if isinstance(status, int) and 100 <= status < 600:
            return status
    return _botocore_status(response)


def _botocore_status(response: object) -> int | None:
    """botocore's errors carry a dict that says what the answer was."""
    metadata = response.get("ResponseMetadata") if isinstance(response, dict) else None
    status = metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
    return status if isinstance(status, int) else None


def class_names(error: BaseException) -> set[str]:
    """Names of the classes of the error and of what it was raised from.

    Not of its context: that may be an older error, which the host was just handling.
    """
    names: set[str] = set()
    seen: BaseException | None = error
    for _ in range(_DEEPEST_CAUSE):
        if seen is None:
            break
        names.update(cls.__name__ for cls in type(seen).__mro__)
        seen = seen.__cause__
    return names
