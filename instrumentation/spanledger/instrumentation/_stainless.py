"""The gate of clients made by Stainless (openai, anthropic, …), at their request funnel.

Every method of such a client ends in ``SyncAPIClient.request`` or ``AsyncAPIClient.request``:
above the client's retry loop and below every instrumentation. Three more methods let us see
what happens inside: ``_process_response`` (an answer came), and ``_sleep_for_retry`` or, in
older clients, ``_retry_request`` (an attempt failed and another follows).
"""

import atexit
import json
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as otel_context

from spanledger.guard import SpanledgerRefusal
from spanledger.instrumentation._bytes import observe_body
from spanledger.instrumentation._exchange import Exchange, end_open_streams
from spanledger.instrumentation._requests import Client, read_request
from spanledger.instrumentation._safely import refuse_where_limits_hold
from spanledger.instrumentation._streams import ObservedAsyncStream, ObservedStream
from spanledger.instrumentation._wrapping import unwrap, wrap, wrap_overriding

# Last registered, first called: before the exporter sends what it has for the last time.
atexit.register(end_open_streams)

_exchange: ContextVar[Exchange | None] = ContextVar("spanledger-exchange", default=None)


#: Names of the clients whose gate is in force. A wrapper of ours that lies below one of
#: somebody else's can't be taken out again; without its name in here it does nothing.
_active: set[str] = set()


def gate(client: Client, base: Any) -> list[str]:
    """Wrap the funnel of a client library; the names of what was wrapped, for `doctor`.

    `base` is its module ``_base_client``. Raises `AttributeError` if that does not have the
    funnel that we know.
    """
    funnel = _funnel(base)
    # All or nothing: a library that lacks one of these is not half gated.
    for cls in (base.SyncAPIClient, base.AsyncAPIClient):
        getattr(cls, funnel), cls._process_response
    wrapped = []
    for cls, hooks in ((base.SyncAPIClient, _sync_hooks), (base.AsyncAPIClient, _async_hooks)):
        for name, wrapper in hooks(client, funnel).items():
            if hasattr(cls, name):
                wrapped += wrap(cls, name, wrapper)
        wrapped += wrap_overriding(cls, funnel, hooks(client, funnel)[funnel])
    _active.add(client.name)
    return wrapped


def ungate(client: Client, base: Any) -> None:
    """Put the library's own methods back, as far as nobody has wrapped ours."""
    _active.discard(client.name)
    for root in (base.SyncAPIClient, base.AsyncAPIClient):
        unwrap(root)


def _funnel(base: Any) -> str:
    """``request``; or ``_request``, where ``request`` opens the client's own span around it."""
    inner = getattr(base.SyncAPIClient, "_request", None)
    code = getattr(getattr(inner, "__wrapped__", inner), "__code__", None)
    return "_request" if code is not None and "call" in code.co_varnames else "request"


def _sync_hooks(client: Client, funnel: str) -> dict[str, Callable[..., Any]]:
    def request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _begin(client, instance, args, kwargs)
        if exchange is None:
            return wrapped(*args, **kwargs)
        attached, token = otel_context.attach(exchange.context()), _exchange.set(exchange)
        try:
            exchange.admit()
            result = wrapped(*args, **kwargs)
        except BaseException as error:
            exchange.failed(error)
            raise
        finally:
            _exchange.reset(token)
            otel_context.detach(attached)
        exchange.returned = True
        return result

    def process_response(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _exchange.get()
        if exchange is None:
            return wrapped(*args, **kwargs)
        exchange.answered = True
        result = wrapped(*args, **kwargs)
        _observe(exchange, result, kwargs.get("response"), asynchronous=False)
        return result

    def before_retry(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if (exchange := _exchange.get()) is not None:
            _attempt_failed(exchange, kwargs)
            exchange.admit()
        return wrapped(*args, **kwargs)

    def sleep_for_retry(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _exchange.get()
        if exchange is not None:
            _attempt_failed(exchange, kwargs)
        slept = wrapped(*args, **kwargs)
        if exchange is not None:
            exchange.admit()
        return slept

    return {
        funnel: request,
        "_process_response": process_response,
        "_sleep_for_retry": sleep_for_retry,
        "_retry_request": before_retry,
    }


def _async_hooks(client: Client, funnel: str) -> dict[str, Callable[..., Any]]:
    async def request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _begin(client, instance, args, kwargs)
        if exchange is None:
            return await wrapped(*args, **kwargs)
        attached, token = otel_context.attach(exchange.context()), _exchange.set(exchange)
        try:
            await exchange.admit_async()
            result = await wrapped(*args, **kwargs)
        except BaseException as error:
            exchange.failed(error)
            raise
        finally:
            _exchange.reset(token)
            otel_context.detach(attached)
        exchange.returned = True
        return result

    async def process_response(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _exchange.get()
        if exchange is None:
            return await wrapped(*args, **kwargs)
        exchange.answered = True
        result = await wrapped(*args, **kwargs)
        _observe(exchange, result, kwargs.get("response"), asynchronous=True)
        return result

    async def before_retry(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if (exchange := _exchange.get()) is not None:
            _attempt_failed(exchange, kwargs)
            await exchange.admit_async()
        return await wrapped(*args, **kwargs)

    async def sleep_for_retry(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _exchange.get()
        if exchange is not None:
            _attempt_failed(exchange, kwargs)
        slept = await wrapped(*args, **kwargs)
        if exchange is not None:
            await exchange.admit_async()
        return slept

    return {
        funnel: request,
        "_process_response": process_response,
        "_sleep_for_retry": sleep_for_retry,
        "_retry_request": before_retry,
    }


def _begin(client: Client, instance: Any, args: Any, kwargs: Any) -> Exchange | None:
    """The exchange of a request that is gated; None for any other.

    A failure of ours in here must not let a call through unmetered where limits hold, so it
    is not swallowed but becomes a refusal if there is a policy.
    """
    if client.name not in _active:
        return None
    request_options = kwargs["options"] if "options" in kwargs else args[1]
    if str(request_options.method).lower() != "post":
        return None
    outer = _exchange.get()
    if outer is not None and outer.request.body is request_options.json_data:
        # It comes by a second gate, of a subclass. (Another call from inside this one, of a
        # hook of the HTTP client say, is one of its own.)
        return None
    dialect = client.dialect_of(request_options.url)
    if dialect is None:
        return None
    try:
        request, hides_usage_chunk = read_request(client, dialect, instance, request_options)
        exchange = Exchange(request, dialect)
    except Exception as error:  # noqa: BLE001 - a failure of ours is not the host's
        refuse_where_limits_hold(error)
        return None
    exchange.hides_usage_chunk = hides_usage_chunk
    return exchange


def _attempt_failed(exchange: Exchange, kwargs: Mapping[str, Any]) -> None:
    error = sys.exc_info()[1]
    response = kwargs.get("response")
    if response is None:
        response = getattr(error, "response", None)
    exchange.attempt_failed(getattr(response, "status_code", None), error, response)


def _observe(exchange: Exchange, result: Any, response: Any, *, asynchronous: bool) -> None:
    """Read an answer, or put observers on one that is still to come. Never breaks the answer."""
    try:
        _observe_result(exchange, result, response, asynchronous=asynchronous)
    except SpanledgerRefusal:
        raise
    except Exception as error:  # noqa: BLE001 - the answer belongs to the host
        exchange.failed(error)


def _observe_result(exchange: Exchange, result: Any, response: Any, *, asynchronous: bool) -> None:
    # Asked of the table of fields: asking a pydantic object for an attribute that it lacks
    # raises and catches two errors inside it, and a plain answer lacks both (5 µs a call).
    fields = getattr(result, "__dict__", ())
    if "response" in fields and hasattr(result, "__stream__"):
        exchange.streams()
        observe_body(response, exchange, asynchronous=asynchronous)
        observed = ObservedAsyncStream if asynchronous else ObservedStream
        result._iterator = observed(result._iterator, exchange)
    elif result is response or "http_response" in fields:
        _observe_raw(exchange, response, asynchronous=asynchronous)
    else:
        exchange.replied(result)


def _observe_raw(exchange: Exchange, response: Any, *, asynchronous: bool) -> None:
    """A raw response: its body may be here already, or be read by the caller later."""
    if not response.is_closed and not response.is_stream_consumed:
        exchange.streams()
        observe_body(response, exchange, asynchronous=asynchronous)
        return
    exchange.replied(json.loads(response.content))
