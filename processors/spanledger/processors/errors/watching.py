"""Where errors come from: `Span.record_exception`, and spans that end as failed."""

import sys
from typing import Any

import wrapt
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import Span, SpanKind

from spanledger import semconv
from spanledger.processors.errors.recorder import ErrorRecorder
from spanledger.processors.nodes import Node, node_of

#: Spans of these kinds are parts of an operation that has a span of its own (an HTTP request
#: inside a tool): what failed is told there. Model calls are told by their attributes.
_PARTS = frozenset({SpanKind.CLIENT, SpanKind.PRODUCER})

_recorder: ErrorRecorder | None = None


def use(recorder: ErrorRecorder | None) -> None:
    """Have errors collected by `recorder`; None: not at all."""
    global _recorder
    _recorder = recorder


def call_fails(span: Span, error: BaseException) -> None:
    """A gate's call ended in `error`; its span is still open."""
    if _recorder is not None:
        _recorder.exception(span, error)


def span_fails(span: SdkSpan, node: Node) -> None:
    """`span` is about to end as failed, and nobody has said why.

    The exception that is on its way through is the reason, if it was not there when the span
    began: inside of ``except`` there is always one.
    """
    recorder = _recorder
    if recorder is None or not _is_operation(span, node):
        return
    error = sys.exception()
    if error is not None and id(error) != node.handled:
        recorder.exception(span, error)
    elif node.label:
        recorder.failure(span, node)


def watch() -> None:
    """Wrap `Span.record_exception` once."""
    if not _watched():
        wrapt.wrap_function_wrapper(SdkSpan, "record_exception", _record_exception)


def unwatch() -> None:
    """Put the SDK's own method back."""
    if _watched():
        original = SdkSpan.__dict__["record_exception"].__wrapped__
        SdkSpan.record_exception = original  # type: ignore[method-assign]  # undoing the wrap


def _watched() -> bool:
    return isinstance(SdkSpan.__dict__["record_exception"], wrapt.FunctionWrapper)


def _record_exception(wrapped: Any, span: SdkSpan, args: Any, kwargs: Any) -> Any:
    try:
        error = args[0] if args else kwargs.get("exception")
        recorder, node = _recorder, node_of(span)
        wanted = recorder is not None and isinstance(error, BaseException) and span.is_recording()
        if wanted and (node is None or _is_operation(span, node)):
            recorder.exception(span, error)  # type: ignore[union-attr]  # `wanted` says so
    except Exception:  # noqa: BLE001 - the host's exception must be recorded whatever happens
        return wrapped(*args, **kwargs)
    return wrapped(*args, **kwargs)


def _is_operation(span: SdkSpan, node: Node) -> bool:
    if span.kind not in _PARTS or node.label:
        return True
    attributes = span.attributes or {}
    return semconv.OPERATION_NAME in attributes or semconv.SPAN_KIND in attributes
