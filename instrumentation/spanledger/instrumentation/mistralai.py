"""The gate of the `mistralai` client.

Every call goes through ``BaseSDK.do_request`` or ``do_request_async``, with the retries inside it;
those are in ``retry_with_backoff`` and its twin, which ask ``_get_sleep_interval`` before they
sleep. Its own spans begin below the gate.
"""

import importlib
import json
from types import ModuleType
from typing import Any

from spanledger.guard import SpanledgerRefusal
from spanledger.instrumentation import _mistral_dialect as dialect
from spanledger.instrumentation._clients import Watched
from spanledger.instrumentation._facts import Request
from spanledger.instrumentation._funnel import Attempts, active, call_for, innermost, observe
from spanledger.instrumentation._http_answers import read_answer
from spanledger.instrumentation._options import options
from spanledger.instrumentation._wrapping import unwrap, wrap

_CLIENT = "mistralai"


def _retries() -> ModuleType:
    return importlib.import_module("mistralai.client.utils.retries")


def gate(client: Watched, funnel: Any) -> list[str]:
    """Wrap the funnel; the names of what was wrapped, for `doctor`.

    Raises `AttributeError` if the library does not have the functions that we know.
    """
    retries = _retries()
    wanted = [
        (funnel.BaseSDK, "do_request", _do_request),
        (funnel.BaseSDK, "do_request_async", _do_request_async),
        (retries, "retry_with_backoff", _retry),
        (retries, "retry_with_backoff_async", _retry_async),
    ]
    # All or nothing: a library that lacks one of these is not half gated.
    places = [place for place in wanted if getattr(place[0], place[1]) and retries.PermanentError]
    wrapped = [name for owner, n, wrapper in places for name in wrap(owner, n, wrapper)]
    if hasattr(retries, "_get_sleep_interval"):
        wrapped += wrap(retries, "_get_sleep_interval", _before_sleep)
    active.add(client.name)
    return wrapped


def ungate(client: Watched, funnel: Any) -> None:
    """Put the library's own functions back, as far as nobody has wrapped ours."""
    active.discard(client.name)
    unwrap(funnel.BaseSDK)
    unwrap(_retries())


# --- the whole call ---------------------------------------------------------------------------


def _do_request(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    call, args, kwargs = _begin(args, kwargs)
    if call is None:
        return wrapped(*args, **kwargs)
    with call:
        call.first()
        response = wrapped(*args, **kwargs)
    _look(call, response, asynchronous=False)
    return response


async def _do_request_async(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    call, args, kwargs = _begin(args, kwargs)
    if call is None:
        return await wrapped(*args, **kwargs)
    with call:
        await call.first_async()
        response = await wrapped(*args, **kwargs)
    _look(call, response, asynchronous=True)
    return response


def _begin(args: Any, kwargs: Any) -> tuple[Attempts | None, Any, Any]:
    """The call, and the arguments to make it with."""
    request = kwargs["request"] if "request" in kwargs else args[1]
    answers = dialect.answers_of(request.url.path) if request.method == "POST" else None
    if answers is None:
        return None, args, kwargs
    limited = None

    def read() -> tuple[Request, dialect.Chat]:
        nonlocal limited
        body = json.loads(request.content)
        if (limit := options.default_max_output_tokens) is not None:
            limited = answers.with_output_limit(body, limit)
        return _read(request, answers, limited or body), answers

    call = call_for(_CLIENT, request, read)
    if limited is None:
        return call, args, kwargs
    request = _with_body(request, limited)
    if "request" in kwargs:
        return call, args, {**kwargs, "request": request}
    return call, (args[0], request, *args[2:]), kwargs


def _read(request: Any, answers: dialect.Chat, body: dict[str, Any]) -> Request:
    return Request(
        answers.operation,
        dialect.PROVIDER,
        answers.model(body),
        answers.readable(body),
        bool(body.get("stream")),
        answers.max_output_tokens(body),
        body["n"] if isinstance(body.get("n"), int) else 1,
        request.url.host,
    )


def _with_body(request: Any, body: dict[str, Any]) -> Any:
    headers = {k: v for k, v in request.headers.items() if k.lower() != "content-length"}
    return type(request)(
        request.method,
        request.url,
        headers=headers,
        content=json.dumps(body).encode(),
        extensions=request.extensions,
    )


def _look(call: Attempts, response: Any, *, asynchronous: bool) -> None:
    exchange = call.exchange
    exchange.answered = exchange.answered or not response.is_error
    observe(exchange, lambda: read_answer(exchange, response, asynchronous=asynchronous))


# --- attempts ---------------------------------------------------------------------------------


def _ours() -> Attempts | None:
    """The call of this client that is being retried here."""
    call = innermost()
    return call if call is not None and call.exchange.request.provider == dialect.PROVIDER else None


def _retry(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    call, send = _ours(), args[0]
    if call is None:
        return wrapped(*args, **kwargs)

    def attempt() -> Any:
        try:
            call.begin()
        except SpanledgerRefusal as refusal:
            raise _final(refusal) from None
        try:
            return send()
        except Exception as error:
            call.failed(getattr(error, "inner", error))
            raise

    return wrapped(attempt, *args[1:], **kwargs)


async def _retry_async(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    call, send = _ours(), args[0]
    if call is None:
        return await wrapped(*args, **kwargs)

    async def attempt() -> Any:
        try:
            await call.begin_async()
        except SpanledgerRefusal as refusal:
            raise _final(refusal) from None
        try:
            return await send()
        except Exception as error:
            call.failed(getattr(error, "inner", error))
            raise

    return await wrapped(attempt, *args[1:], **kwargs)


def _final(refusal: SpanledgerRefusal) -> Exception:
    """A refusal as the error after which the client does not try again."""
    final: Exception = _retries().PermanentError(refusal)
    return final


def _before_sleep(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    """What is asked for the length of the pause before another attempt."""
    call = _ours()
    if call is not None:
        call.another_follows()
    return wrapped(*args, **kwargs)
