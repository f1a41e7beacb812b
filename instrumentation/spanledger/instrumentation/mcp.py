"""MCP: tools that run in another process, over any transport.

The client's calls become ``execute_tool`` spans, and the guard is asked before one is sent. If a
framework has opened a span for the very call, that one is used. From 2.0 on the SDK makes spans
of its own below it and sends the trace context in ``_meta``; for older releases this is done
here, on both sides. W3C trace context only: no baggage.

A tool that fails answers with ``isError`` in a reply that is a success by every other measure:
such a span is an error.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from types import ModuleType
from typing import Any

import wrapt
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from spanledger import semconv
from spanledger.instrumentation import _wrapping
from spanledger.instrumentation._clients import Watched
from spanledger.track import current_scope, tool_call

_SCOPE_NAME = "spanledger.instrumentation.mcp"
_SERVER = "mcp.server.lowlevel.server"
_TOOL_ERROR = "tool_error"
_W3C = TraceContextTextMapPropagator()


def gate(_client: Watched, funnel: ModuleType | None) -> list[str]:
    """Wrap the client, and the server of an SDK that makes no spans, as soon as it is imported."""
    if funnel is None:
        raise ImportError("mcp.client.session is not there")
    if not _is_native():
        wrapt.register_post_import_hook(_watch_server, _SERVER)
    session = funnel.ClientSession
    takes_meta = "meta" in signature(session.call_tool).parameters
    send_meta = takes_meta and not _is_native()
    return _wrapping.wrap(session, "call_tool", partial(_call_tool, send_meta))


def ungate(_client: Watched, funnel: ModuleType) -> None:
    """Put the client's and the server's own methods back."""
    _wrapping.unwrap(funnel.ClientSession)
    for owner in _servers:
        _wrapping.unwrap(owner)
    _servers.clear()


_servers: list[type] = []


def _is_native() -> bool:
    """Whether the SDK makes spans and sends the context by itself."""
    try:
        return int(version("mcp").partition(".")[0]) >= 2
    except (PackageNotFoundError, ValueError):
        return False


# --- client ---------------------------------------------------------------------------------------


async def _call_tool(send_meta: bool, wrapped: Any, _session: Any, args: Any, kwargs: Any) -> Any:
    name, arguments = _asked_for(args, kwargs)
    if current_scope().tool == name:
        # The span of a framework, or of `@track.tool`, which the guard was asked for.
        result = await wrapped(*args, **_with_meta(kwargs) if send_meta else kwargs)
        if _is_error(result):
            _mark(trace.get_current_span())
        return result
    async with tool_call(name, arguments, category="mcp") as call:
        result = await wrapped(*args, **_with_meta(kwargs) if send_meta else kwargs)
        call.returned(_content(result))
        if _is_error(result):
            call.failed(_TOOL_ERROR)
        return result


def _asked_for(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    name = args[0] if args else kwargs.get("name", "")
    arguments = args[1] if len(args) > 1 else kwargs.get("arguments")
    return str(name), arguments if isinstance(arguments, Mapping) else {}


def _with_meta(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    meta = dict(kwargs.get("meta") or {})
    _W3C.inject(meta)
    return {**kwargs, "meta": meta} if meta else dict(kwargs)


def _is_error(result: object) -> bool:
    return getattr(result, "is_error", None) is True or getattr(result, "isError", None) is True


def _content(result: object) -> object:
    """What loop rules compare: what the tool said, without ids and metadata of the reply."""
    parts = getattr(result, "content", None)
    if not isinstance(parts, list):
        return result
    return [getattr(part, "text", None) or getattr(part, "data", None) for part in parts]


def _mark(span: Span) -> None:
    span.set_attribute(semconv.ERROR_TYPE, _TOOL_ERROR)
    span.set_status(Status(StatusCode.ERROR))


# --- server, before 2.0 ---------------------------------------------------------------------------


def _watch_server(module: Any) -> None:
    _servers.append(module.Server)
    _wrapping.wrap(module.Server, "_handle_request", _handle_request)


async def _handle_request(wrapped: Any, _server: Any, args: Any, kwargs: Any) -> Any:
    message = args[0] if args else kwargs.get("message")
    request = args[1] if len(args) > 1 else kwargs.get("req")
    params = getattr(request, "params", None)
    if getattr(request, "method", None) != "tools/call" or params is None:
        return await wrapped(*args, **kwargs)
    with _served(params) as span:
        respond = message.respond

        async def noting(response: Any) -> Any:
            _note_response(span, response)
            return await respond(response)

        message.respond = noting
        return await wrapped(*args, **kwargs)


@contextmanager
def _served(params: Any) -> Iterator[Span]:
    name = str(getattr(params, "name", ""))
    attributes = {
        "mcp.method.name": "tools/call",
        semconv.OPERATION_NAME: semconv.TOOL_OPERATION,
        semconv.TOOL_NAME: name,
    }
    with trace.get_tracer(_SCOPE_NAME).start_as_current_span(
        f"tools/call {name}", _sent_context(params), kind=SpanKind.SERVER, attributes=attributes
    ) as span:
        yield span


def _sent_context(params: Any) -> Context | None:
    """The context in ``_meta``; None if there is none, so that what is current is the parent."""
    meta = getattr(params, "meta", None)
    texts = {k: v for k, v in (getattr(meta, "model_extra", None) or {}).items() if type(v) is str}
    if "traceparent" not in texts:
        return None
    context = _W3C.extract(texts)
    return context if trace.get_current_span(context).get_span_context().is_valid else None


def _note_response(span: Span, response: Any) -> None:
    result = getattr(response, "root", response)
    code = getattr(result, "code", None)
    if _is_error(result):
        _mark(span)
    elif isinstance(code, int):
        span.set_attribute(semconv.ERROR_TYPE, str(code))
        span.set_status(Status(StatusCode.ERROR))
