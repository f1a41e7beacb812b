"""One wrapper of `Span.end`: the last moment at which a span can still be changed.

On SDK 1.45 neither `on_end` nor `_on_ending` may set attributes (the span is frozen before
they are called: open-telemetry/opentelemetry-python#5614), so whatever must be said about a
span that others end is said here.
"""

from typing import Any

import wrapt
from opentelemetry.sdk.trace import Span as SdkSpan

from spanledger import semconv
from spanledger.processors.attribution import doubles_a_gated_call, is_inference
from spanledger.processors.nodes import Node, node_of


def install() -> None:
    """Wrap `Span.end` once; a second call does nothing."""
    if not _installed():
        wrapt.wrap_function_wrapper(SdkSpan, "end", _end)


def uninstall() -> None:
    """Put the SDK's own method back."""
    if _installed():
        SdkSpan.end = SdkSpan.__dict__["end"].__wrapped__  # type: ignore[method-assign]  # undoing the wrap


def _installed() -> bool:
    # Asked of the class's own table: `SdkSpan.end` would be bound, which is another type.
    return isinstance(SdkSpan.__dict__["end"], wrapt.FunctionWrapper)


def _end(wrapped: Any, span: SdkSpan, args: Any, kwargs: Any) -> Any:
    node = node_of(span)
    if node is not None and not node.complete and span.is_recording():
        try:
            _before_end(span, node)
        except Exception:  # noqa: BLE001 - the host's span must end whatever happens here
            return wrapped(*args, **kwargs)
    return wrapped(*args, **kwargs)


def _before_end(span: SdkSpan, node: Node) -> None:
    if node.on_end is not None:
        on_end, node.on_end = node.on_end, None
        on_end(span)
    elif _is_unclaimed_double(span):
        span.set_attribute(semconv.BILLING, "shadow")
    if node.calls and node.kind != "inference":
        span.set_attributes(subtree_attributes(node))


def _is_unclaimed_double(span: SdkSpan) -> bool:
    attributes = span.attributes or {}
    if semconv.BILLING in attributes or not is_inference(attributes):
        return False
    return doubles_a_gated_call(attributes, span.start_time or 0)


def subtree_attributes(node: Node) -> dict[str, int]:
    """The totals of everything below a span, as attributes."""
    totals = {
        semconv.SUBTREE_COST_NANO_USD: node.cost_nano_usd,
        semconv.SUBTREE_TOKENS: node.tokens,
        semconv.SUBTREE_CALLS: node.calls,
    }
    if node.unpriced_calls:
        totals[semconv.SUBTREE_UNPRICED_CALLS] = node.unpriced_calls
    return totals
