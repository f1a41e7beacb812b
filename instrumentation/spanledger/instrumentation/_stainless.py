"""The gate of clients made by Stainless (openai, anthropic, …), at their request funnel.

Every method of such a client ends in ``SyncAPIClient.request`` or ``AsyncAPIClient.request``:
above the client's retry loop and below every instrumentation. More methods let us see what
happens inside: ``_process_response`` (an answer came), ``_sleep_for_retry`` or, in older clients,
``_retry_request`` (an attempt failed and another follows), and ``_attempt_request``, where a
client has middleware that may send more than one request for one.
"""

import importlib
import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as otel_context

from spanledger.guard import SpanledgerRefusal
from spanledger.instrumentation import _background
from spanledger.instrumentation._bytes import observe_body, read_body
from spanledger.instrumentation._clients import Watched
from spanledger.instrumentation._exchange import Exchange
from spanledger.instrumentation._facts import ReportedFailure
from spanledger.instrumentation._funnel import active, lent
from spanledger.instrumentation._requests import Client, read_request
from spanledger.instrumentation._safely import refuse_where_limits_hold
from spanledger.instrumentation._streams import ObservedAsyncStream, ObservedStream
from spanledger.instrumentation._wrapping import unwrap, wrap, wrap_overriding

_FIRST_ERROR = 300
_NO_FIELDS = frozenset[str]()

_log = logging.getLogger("spanledger.gate")

_exchange: ContextVar[Exchange | None] = ContextVar("spanledger-exchange", default=None)


def gate(watched: Watched, base: Any) -> list[str]:
    """Wrap the funnel of a client library; the names of what was wrapped, for `doctor`.

    `base` is its module ``_base_client``; how its requests are read, our module of its name says.
    Raises `AttributeError` if `base` does not have the funnel that we know.
    """
    client: Client = importlib.import_module(f"{__package__}.{watched.package}").CLIENT
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
    active.add(client.name)
    return wrapped


def ungate(watched: Watched, base: Any) -> None:
    """Put the library's own methods back, as far as nobody has wrapped ours."""
    active.discard(watched.name)
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
            _fail_all(exchange, error)
            raise
        finally:
            _exchange.reset(token)
            otel_context.detach(attached)
        exchange.returned = True
        return result

    def process_response(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _exchange.get()
        response = kwargs.get("response")
        if exchange is not None and not _turned_away(exchange, response):
            exchange.answered = True
            result = wrapped(*args, **kwargs)
            _observe(exchange, result, response, asynchronous=False)
            return result
        result = wrapped(*args, **kwargs)
        if exchange is None and _background.waiting:
            _fetched(result)
        return result

    def attempt_request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        hop = _hop(client, instance, args[0] if args else kwargs["options"])
        if hop is not None:
            hop.admit()
        return wrapped(*args, **kwargs)

    def before_retry(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if (exchange := _failing()) is not None:
            _attempt_failed(exchange, kwargs)
            exchange.admit()
        return wrapped(*args, **kwargs)

    def sleep_for_retry(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _failing()
        if exchange is not None:
            _attempt_failed(exchange, kwargs)
        slept = wrapped(*args, **kwargs)
        if exchange is not None:
            exchange.admit()
        return slept

    return {
        funnel: request,
        "_process_response": process_response,
        "_attempt_request": attempt_request,
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
            _fail_all(exchange, error)
            raise
        finally:
            _exchange.reset(token)
            otel_context.detach(attached)
        exchange.returned = True
        return result

    async def process_response(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _exchange.get()
        response = kwargs.get("response")
        if exchange is not None and not _turned_away(exchange, response):
            exchange.answered = True
            result = await wrapped(*args, **kwargs)
            _observe(exchange, result, response, asynchronous=True)
            return result
        result = await wrapped(*args, **kwargs)
        if exchange is None and _background.waiting:
            _fetched(result)
        return result

    async def attempt_request(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        hop = _hop(client, instance, args[0] if args else kwargs["options"])
        if hop is not None:
            await hop.admit_async()
        return await wrapped(*args, **kwargs)

    async def before_retry(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        if (exchange := _failing()) is not None:
            _attempt_failed(exchange, kwargs)
            await exchange.admit_async()
        return await wrapped(*args, **kwargs)

    async def sleep_for_retry(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        exchange = _failing()
        if exchange is not None:
            _attempt_failed(exchange, kwargs)
        slept = await wrapped(*args, **kwargs)
        if exchange is not None:
            await exchange.admit_async()
        return slept

    return {
        funnel: request,
        "_process_response": process_response,
        "_attempt_request": attempt_request,
        "_sleep_for_retry": sleep_for_retry,
        "_retry_request": before_retry,
    }


def _begin(client: Client, instance: Any, args: Any, kwargs: Any) -> Exchange | None:
    """The exchange of a request that is gated; None for any other.

    A failure of ours in here must not let a call through unmetered where limits hold, so it
    is not swallowed but becomes a refusal if there is a policy.
    """
    if client.name not in active or lent() is not None:
        return None
    request_options = kwargs["options"] if "options" in kwargs else args[1]
    if str(request_options.method).lower() != "post":
        return None
    outer = _exchange.get()
    body = request_options.json_data
    if outer is not None and body is not None and outer.sent_body is body:
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
    exchange.sent_body = request_options.json_data
    if exchange.of_try is not None and not isinstance(request_options.max_retries, int):
        # Who tries again is outside: its tries times the client's own would be many.
        request_options.max_retries = 0
    return exchange


def _failing() -> Exchange | None:
    """The call whose attempt failed; None if it was answered, and what failed came after that."""
    exchange = _exchange.get() or lent()
    return None if exchange is None or exchange.answered else exchange


def _turned_away(exchange: Exchange, response: Any) -> bool:
    """Whether an answer is an error: a client with middleware shows it that first."""
    if getattr(response, "status_code", 200) < _FIRST_ERROR:
        return False
    exchange.turned_away = response
    return True


def _hop(client: Client, instance: Any, request_options: Any) -> Exchange | None:
    """A call of its own for each further request that middleware sends for one of the host."""
    exchange = _exchange.get()
    if exchange is None or not (exchange.answered or exchange.turned_away is not None):
        return None
    if exchange.turned_away is not None:
        exchange.failed(_error_of(instance, exchange.turned_away))
    dialect = client.dialect_of(request_options.url)
    if dialect is None:
        return None
    try:
        hop = Exchange(read_request(client, dialect, instance, request_options)[0], dialect)
    except Exception as error:  # noqa: BLE001 - a failure of ours is not the host's
        refuse_where_limits_hold(error)
        return None
    hop.sent_body = request_options.json_data
    _exchange.set(hop)
    return hop


def _error_of(instance: Any, response: Any) -> BaseException:
    """The error that the client makes of an answer, if its body is here."""
    try:
        made: BaseException = instance._make_status_error_from_response(response)
    except Exception:  # noqa: BLE001 - of a stream that nobody has read
        made = ReportedFailure(str(response.status_code))
    return made


def _fail_all(exchange: Exchange, error: BaseException) -> None:
    """A call failed, and with it the last one that middleware made of it."""
    last = _exchange.get()
    if last is not None and last is not exchange:
        last.failed(error)
    exchange.failed(error)


def _attempt_failed(exchange: Exchange, kwargs: Mapping[str, Any]) -> None:
    error = sys.exc_info()[1]
    response = kwargs.get("response")
    if response is None:
        response = getattr(error, "response", None)
    exchange.turned_away = None
    exchange.attempt_failed(getattr(response, "status_code", None), error, response)


def _observe(exchange: Exchange, result: Any, response: Any, *, asynchronous: bool) -> None:
    """Read an answer, or put observers on one that is still to come. Never breaks the answer."""
    try:
        # Asked of the table of fields: asking a pydantic object for an attribute that it lacks
        # raises and catches two errors inside it, and a plain answer lacks all (5 µs a call).
        fields = getattr(result, "__dict__", _NO_FIELDS)
        if result is response or "response" in fields or "http_response" in fields:
            _observe_later(exchange, result, response, asynchronous=asynchronous)
        else:
            exchange.replied(result)
    except SpanledgerRefusal:
        raise
    except Exception as error:  # noqa: BLE001 - the answer belongs to the host
        exchange.failed(error)


def _observe_later(exchange: Exchange, result: Any, response: Any, *, asynchronous: bool) -> None:
    """A stream; or a raw response, whose body may be here already, or be read later."""
    if "response" in getattr(result, "__dict__", _NO_FIELDS) and hasattr(result, "__stream__"):
        exchange.streams()
        observe_body(response, exchange, asynchronous=asynchronous)
        observed = ObservedAsyncStream if asynchronous else ObservedStream
        result._iterator = observed(result._iterator, exchange)
    elif not response.is_closed and not response.is_stream_consumed:
        exchange.streams()
        observe_body(response, exchange, asynchronous=asynchronous)
    else:
        read_body(response, exchange)


def _fetched(result: Any) -> None:
    """An answer that is no call of its own may be the end of one that went on without us."""
    try:
        response = getattr(result, "http_response", None)
        _background.fetched(result if response is None else json.loads(response.content))
    except Exception:  # noqa: BLE001 - the answer belongs to the host
        _log.exception("a response that was fetched could not be read")
