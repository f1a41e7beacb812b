"""Reading the answers of clients that hand us an HTTP response of httpx or httpx2."""

from typing import Any

from spanledger.instrumentation._bytes import observe_body, read_body
from spanledger.instrumentation._exchange import Exchange


def read_answer(exchange: Exchange, response: Any, *, asynchronous: bool) -> None:
    """Read a response, or put an observer on a body that is still to come.

    One that is an error is made one of the call; the client raises an error of its own for it.
    """
    if response.is_error:
        exchange.failed(error_of(response))
    elif response.is_stream_consumed or response.is_closed:
        read_body(response, exchange)
    else:
        exchange.streams()
        observe_body(response, exchange, asynchronous=asynchronous)


def error_of(response: Any) -> Exception:
    """The HTTP error that a response is, as httpx would raise it."""
    try:
        response.raise_for_status()
    except Exception as error:  # noqa: BLE001 - this is what it is called for
        return error
    return RuntimeError(f"The response has the status {response.status_code}.")
