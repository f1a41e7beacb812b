"""The gate of clients made by Stainless (openai, anthropic, …), at their request funnel.

Every method of such a client ends in ``SyncAPIClient.request`` or ``AsyncAPIClient.request``:
above the client's retry loop and below every instrumentation. Three more methods let us see
what happens inside: ``_process_response`` (an answer came), and ``_sleep_for_retry`` or, in
older clients, ``_retry_request`` (an attempt failed and another follows).
"""

import json
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import wrapt
from opentelemetry import context as otel_context

from spanledger.guard import SpanledgerRefusal
from spanledger.instrumentation._bytes import observe_body
from spanledger.instrumentation._exchange import Exchange
from spanledger.instrumentation._facts import Dialect, Request
from spanledger.instrumentation._options import options
from spanledger.instrumentation._safely import safely
from spanledger.instrumentation._streams import ObservedAsyncStream, ObservedStream

_exchange: ContextVar[Exchange | None] = ContextVar("spanledger-exchange", default=None)


@dataclass(frozen=True, slots=True)
class Client:
    """One client library: where its funnel is and how its requests are read."""

    name: str
    dialect_of: Callable[[str], Dialect | None]
    provider_of: Callable[[str], str]
    #: Changes to a body before it is sent; None for "leave it".
    with_usage: Callable[[Mapping[str, Any]], dict[str, Any] | None] | None = None
    with_output_limit: Callable[[Mapping[str, Any], int], dict[str, Any] | None] | None = None


def gate(client: Client, module: Any) -> list[str]:
    """Wrap the funnel of a client library; the names of what was wrapped, for `doctor`.

    Raises `AttributeError` if the library does not have the funnel that we know.
    """
    base = module._base_client
    funnel = _funnel(base)
    # All or nothing: a library that lacks one of these is not half gated.
    for cls in (base.SyncAPIClient, base.AsyncAPIClient):
        getattr(cls, funnel), cls._process_response
    wrapped = []
    for cls, hooks in ((base.SyncAPIClient, _sync_hooks), (base.AsyncAPIClient, _async_hooks)):
        for name, wrapper in hooks(client, funnel).items():
            if hasattr(cls, name) and not isinstance(vars(cls)[name], wrapt.FunctionWrapper):
                wrapt.wrap_function_wrapper(cls, name, wrapper)
                wrapped.append(f"{cls.__name__}.{name}")
    return wrapped


def ungate(module: Any) -> None:
    """Put the library's own methods back."""
    base = module._base_client
    for cls in (base.SyncAPIClient, base.AsyncAPIClient):
        for name, value in list(vars(cls).items()):
            if isinstance(value, wrapt.FunctionWrapper):
                setattr(cls, name, value.__wrapped__)


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
    is not swallowed but becomes a refusal if there is a policy (see `safely`).
    """
    if _exchange.get() is not None:
        # `_request` of older clients calls itself for a retry; that is the same exchange.
        return None
    request_options = kwargs["options"] if "options" in kwargs else args[1]
    if str(request_options.method).lower() != "post":
        return None
    dialect = client.dialect_of(request_options.url)
    if dialect is None:
        return None
    return safely(lambda: _exchange_of(client, dialect, instance, request_options))


def _exchange_of(client: Client, dialect: Dialect, instance: Any, request_options: Any) -> Exchange:
    body = request_options.json_data
    body = body if isinstance(body, Mapping) else {}
    provider, host = _target(client, instance)
    asked = _asks_usage(client, request_options, body)
    if asked is not None:
        body = request_options.json_data = asked
    limited = _limited(client, dialect, body)
    if limited is not None:
        body = request_options.json_data = limited
    model, max_output_tokens, choices = dialect.read_request(body)
    request = Request(
        operation=dialect.operation,
        provider=provider,
        model=model,
        body=body,
        stream=bool(body.get("stream")),
        max_output_tokens=max_output_tokens,
        choices=choices,
        server_address=host,
    )
    exchange = Exchange(request, dialect)
    exchange.hides_usage_chunk = asked is not None
    return exchange


def _target(client: Client, instance: Any) -> tuple[str, str]:
    """Provider and host that a client talks to; parsed once, its address may be changed later."""
    base_url = instance._base_url
    known = instance.__dict__.get("_spanledger_target")
    if known is None or known[0] is not base_url:
        address = str(base_url)
        known = (base_url, client.provider_of(address), urlsplit(address).hostname or "")
        instance.__dict__["_spanledger_target"] = known
    return known[1], known[2]


def _asks_usage(client: Client, request_options: Any, body: Mapping[str, Any]) -> Any:
    """A body that asks for usage. Not for raw responses: there the extra chunk can't be hidden."""
    if client.with_usage is None or not options.include_usage:
        return None
    headers = request_options.headers
    raw = isinstance(headers, Mapping) and "X-Stainless-Raw-Response" in headers
    return None if raw else client.with_usage(body)


def _limited(client: Client, dialect: Dialect, body: Mapping[str, Any]) -> Any:
    if client.with_output_limit is None or options.default_max_output_tokens is None:
        return None
    if dialect.operation == "embeddings":
        # Its answer has no tokens, and the provider refuses a limit it does not know.
        return None
    return client.with_output_limit(body, options.default_max_output_tokens)


def _attempt_failed(exchange: Exchange, kwargs: Mapping[str, Any]) -> None:
    response = kwargs.get("response")
    status = getattr(response, "status_code", None)
    error = sys.exc_info()[1]
    if status is None and error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    exchange.attempt_failed(status, error)


def _observe(exchange: Exchange, result: Any, response: Any, *, asynchronous: bool) -> None:
    """Read an answer, or put observers on one that is still to come. Never breaks the answer."""
    try:
        _observe_result(exchange, result, response, asynchronous=asynchronous)
    except SpanledgerRefusal:
        raise
    except Exception as error:  # noqa: BLE001 - the answer belongs to the host
        exchange.failed(error)


def _observe_result(exchange: Exchange, result: Any, response: Any, *, asynchronous: bool) -> None:
    if hasattr(result, "__stream__"):
        exchange.reader = exchange.dialect.stream_reader()
        observe_body(response, exchange, asynchronous=asynchronous, raw=False)
        observed = ObservedAsyncStream if asynchronous else ObservedStream
        result._iterator = observed(result._iterator, exchange)
    elif result is response or hasattr(result, "http_response"):
        _observe_raw(exchange, response, asynchronous=asynchronous)
    else:
        exchange.replied(result)


def _observe_raw(exchange: Exchange, response: Any, *, asynchronous: bool) -> None:
    """A raw response: its body may be here already, or be read by the caller later."""
    if not response.is_closed and not response.is_stream_consumed:
        exchange.reader = exchange.dialect.stream_reader()
        observe_body(response, exchange, asynchronous=asynchronous, raw=True)
        return
    exchange.replied(json.loads(response.content))
