"""What a failed attempt costs, from the way in which it failed. Pure.

nothing    it provably never reached the provider: everything that was reserved is freed
call       the provider refused it (4xx): it counts as a call and used nothing
estimate   it was sent and may have been worked on: input and streamed output are charged
unknown    an answer came that can't be read: the reservation is kept in full
"""

from collections.abc import Mapping
from typing import Any, Literal

Charge = Literal["nothing", "call", "estimate", "unknown"]

#: Errors that happen before a byte of the request is on its way; those without a heading are
#: httpx's and httpx2's.
_NOT_SENT = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "InvalidURL",
        "LocalProtocolError",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        # aiohttp
        "ClientConnectorDNSError",
        "ClientConnectorError",
        # botocore
        "ConnectTimeoutError",
        "EndpointConnectionError",
        "NoCredentialsError",
        "NoRegionError",
        "ParamValidationError",
        "PartialCredentialsError",
        "ProxyConnectionError",
        # google-auth
        "DefaultCredentialsError",
        "RefreshError",
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
    response = getattr(error, "response", None)
    found = (
        getattr(error, "status_code", None),
        getattr(error, "code", None),  # google-genai
        getattr(response, "status_code", None),  # httpx
        _metadata(response).get("HTTPStatusCode"),
    )
    return next((s for s in found if type(s) is int and 400 <= s < 600), None)


def headers_of(response: Any) -> Mapping[str, Any]:
    """The headers of an answer, whatever an error carries of it."""
    headers = getattr(response, "headers", None) or _metadata(response).get("HTTPHeaders")
    return headers if headers is not None else {}


def retry_delay_s(error: BaseException | None) -> float | None:
    """Seconds that Google asks for in the body of an error, not in a header."""
    details = getattr(error, "details", None)
    inner = details.get("error", details) if isinstance(details, Mapping) else {}
    found = inner.get("details") if isinstance(inner, Mapping) else None
    for detail in found if isinstance(found, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str) and delay.removesuffix("s").replace(".", "", 1).isdecimal():
            return float(delay.removesuffix("s"))
    return None


def _metadata(response: Any) -> Mapping[str, Any]:
    """What botocore says of the HTTP response in what it made of it."""
    found = response.get("ResponseMetadata") if isinstance(response, dict) else None
    return found if isinstance(found, Mapping) else {}


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
