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
from dataclasses import dataclass
from inspect import getattr_static
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import wrapt
from opentelemetry import context as otel_context

from spanledger.guard import SpanledgerRefusal
from spanledger.instrumentation._bytes import observe_body
from spanledger.instrumentation._exchange import Exchange, end_open_streams
from spanledger.instrumentation._facts import Dialect, Request
from spanledger.instrumentation._options import options
from spanledger.instrumentation._safely import safely
from spanledger.instrumentation._streams import ObservedAsyncStream, ObservedStream

# Last registered, first called: before the exporter sends what it has for the last time.
atexit.register(end_open_streams)

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


if TYPE_CHECKING:
    _Wrapper = wrapt.FunctionWrapper[..., Any]
else:
    # wrapt 1.17 can't be subscripted at run time.
    _Wrapper = wrapt.FunctionWrapper


class _Gate(_Wrapper):
    """A wrapper of ours, which can be told from those of other instrumentations."""


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
                wrapped += _wrap(cls, name, wrapper)
        wrapped += _wrap_overriding(cls, funnel, hooks(client, funnel)[funnel])
    _active.add(client.name)
    return wrapped


def _wrap(cls: type, name: str, wrapper: Callable[..., Any]) -> list[str]:
    method = getattr_static(cls, name)
    if _is_gated(method):
        return []
    setattr(cls, name, _Gate(method, wrapper))
    return [f"{cls.__name__}.{name}"]


def _wrap_overriding(base: type, funnel: str, wrapper: Callable[..., Any]) -> list[str]:
    """Wrap the funnel of each subclass that has its own.

    Another instrumentation that came first may have put the method of `base`, as it was then,
    under a wrapper of its own into a subclass: calls of that never come by `base`. A call that
    comes by both is one exchange (see `_begin`).
    """
    own = [cls for cls in _subclasses(base) if funnel in vars(cls)]
    return [name for cls in own for name in _wrap(cls, funnel, wrapper)]


def _subclasses(cls: type) -> list[type]:
    found: list[type] = []
    direct: type
    for direct in cls.__subclasses__():
        found += (direct, *_subclasses(direct))
    return found


def _is_gated(method: Any) -> bool:
    """Whether one of our wrappers is anywhere in a pile of wrappers."""
    while method is not None:
        if isinstance(method, _Gate):
            return True
        method = getattr(method, "__wrapped__", None)
    return False


def ungate(client: Client, base: Any) -> None:
    """Put the library's own methods back, as far as nobody has wrapped ours."""
    _active.discard(client.name)
    for root in (base.SyncAPIClient, base.AsyncAPIClient):
        for cls in (root, *_subclasses(root)):
            for name, value in list(vars(cls).items()):
                if type(value) is _Gate:
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
        exchange.streams()
        observe_body(response, exchange, asynchronous=asynchronous)
        observed = ObservedAsyncStream if asynchronous else ObservedStream
        result._iterator = observed(result._iterator, exchange)
    elif result is response or hasattr(result, "http_response"):
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
