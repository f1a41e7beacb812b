"""The gate of Amazon Bedrock's runtime, as `boto3` and `botocore` call it.

Every operation of every AWS service goes through ``BaseClient._make_api_call``, with the retries
inside it; one attempt is ``Endpoint._get_response``. Only ``bedrock-runtime`` is looked at.
"""

import importlib
import weakref
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from spanledger.instrumentation import _bedrock_dialect as dialect
from spanledger.instrumentation._bedrock_streams import observe_body, observe_events
from spanledger.instrumentation._clients import Watched
from spanledger.instrumentation._exchange import Exchange
from spanledger.instrumentation._facts import Request
from spanledger.instrumentation._funnel import active, attempts_of, call_for, observe
from spanledger.instrumentation._options import options
from spanledger.instrumentation._wrapping import unwrap, wrap

_CLIENT = "botocore"
_SERVICE = "bedrock-runtime"
_FIRST_ERROR = 300


def _places(funnel: Any) -> list[tuple[Any, str, Any]]:
    endpoint = importlib.import_module("botocore.endpoint")
    legacy = importlib.import_module("botocore.retryhandler")
    standard = importlib.import_module("botocore.retries.standard")
    return [
        (funnel.BaseClient, "_make_api_call", _make_api_call),
        (endpoint.Endpoint, "_get_response", _get_response),
        (legacy.RetryHandler, "__call__", _needs_retry),
        (standard.RetryHandler, "needs_retry", _needs_retry),
    ]


def gate(client: Watched, funnel: Any) -> list[str]:
    """Wrap the funnel; the names of what was wrapped, for `doctor`.

    Raises `AttributeError` if the library does not have the functions that we know.
    """
    # All or nothing: a library that lacks one of these is not half gated.
    places = [place for place in _places(funnel) if getattr(place[0], place[1])]
    wrapped = [name for owner, n, wrapper in places for name in wrap(owner, n, wrapper)]
    active.add(client.name)
    return wrapped


def ungate(client: Watched, funnel: Any) -> None:
    """Put the library's own functions back, as far as nobody has wrapped ours."""
    active.discard(client.name)
    for owner, _name, _wrapper in _places(funnel):
        unwrap(owner)


# --- the whole call ---------------------------------------------------------------------------


def _make_api_call(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    if instance.meta.service_model.service_name != _SERVICE:
        return wrapped(*args, **kwargs)
    name, params = _arguments(*args, **kwargs)
    params = dict(params)
    call = call_for(_CLIENT, instance._endpoint, lambda: _read(instance, name, params))
    if call is None:
        return wrapped(name, params)
    with call:
        call.first()
        reply = wrapped(name, params)
    observe(call.exchange, lambda: _look(call.exchange, reply))
    return reply


def _arguments(operation_name: str, api_params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return operation_name, api_params


def _prepare(name: str, params: dict[str, Any]) -> None:
    """Change the parameters where they must be: a default limit, a body that can be read twice."""
    if options.default_max_output_tokens is not None:
        limited = dialect.with_output_limit(name, params, options.default_max_output_tokens)
        params.update(limited or {})
    if (read := getattr(params.get("body"), "read", None)) is not None:
        # A file is read by the client at once and as a whole, too.
        params["body"] = read()


def _read(
    instance: Any, name: str, params: dict[str, Any]
) -> tuple[Request, dialect.BedrockAnswers] | None:
    _prepare(name, params)
    asked = dialect.read_request(name, params)
    if asked is None:
        return None
    request = Request(
        asked.operation,
        dialect.PROVIDER,
        asked.model,
        asked.body,
        asked.stream,
        asked.max_output_tokens,
        asked.choices,
        _host(str(instance.meta.endpoint_url)),
    )
    return request, asked.answers


@lru_cache(maxsize=64)
def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _look(exchange: Exchange, reply: dict[str, Any]) -> None:
    answers = exchange.dialect
    if isinstance(answers, dialect.BedrockAnswers):
        answers.metadata = reply.get("ResponseMetadata") or {}
    if exchange.request.stream:
        name = "stream" if "stream" in reply else "body"
        exchange.streams()
        reply[name] = _watched(exchange, observe_events(reply[name], exchange))
    elif isinstance(answers, dialect.Invoke):
        exchange.streams(answers.body_reader())
        _watched(exchange, observe_body(reply["body"], exchange, answers))
    else:
        exchange.replied(reply)


def _watched(exchange: Exchange, observed: Any) -> Any:
    # Weak: what is observed holds the exchange.
    weak = weakref.ref(observed)
    exchange.is_readable = lambda: weak() is not None
    return observed


# --- one attempt ------------------------------------------------------------------------------


def _get_response(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    call = attempts_of(instance)
    if call is None:
        return wrapped(*args, **kwargs)
    call.begin()
    answer, error = wrapped(*args, **kwargs)
    if answer is None:
        call.failed(error)
    elif answer[0].status_code >= _FIRST_ERROR:
        call.failed_with(answer[0].status_code, answer[0])
    else:
        call.answered()
    return answer, error


def _needs_retry(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    """The handler that decides on a retry; the client sleeps for as long as it says.

    A client of the standard mode that was made before its gate holds the handler as it was; its
    failed attempt is settled when the next one begins.
    """
    delay_s = wrapped(*args, **kwargs)
    call = attempts_of(kwargs.get("endpoint"))
    if call is not None and delay_s is not None and delay_s is not False:
        call.another_follows()
    return delay_s
