"""One wrapper of `Span.end`: the last moment at which a span can still be changed.

On SDK 1.45 neither `on_end` nor `_on_ending` may set attributes (the span is frozen before
they are called: open-telemetry/opentelemetry-python#5614), so whatever must be said about a
span that others end is said here.
"""

import time
from contextlib import suppress
from typing import Any

import wrapt
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import StatusCode

from spanledger import semconv
from spanledger.processors import errors, history, leaf_billing
from spanledger.processors.nodes import Node, node_of

#: Our wrapper. Another one may lie over it.
_ours: Any = None


def install() -> None:
    """Wrap `Span.end` once; a second call does nothing."""
    global _ours
    if not _installed():
        wrapt.wrap_function_wrapper(SdkSpan, "end", _end)
        _ours = SdkSpan.__dict__["end"]
        errors.watch()


def uninstall() -> None:
    """Put the SDK's own method back."""
    if _installed():
        errors.unwatch()
        SdkSpan.end = SdkSpan.__dict__["end"].__wrapped__  # type: ignore[method-assign]  # undoing the wrap


def _installed() -> bool:
    # Asked of the class's own table: `SdkSpan.end` would be bound, which is another type.
    return isinstance(SdkSpan.__dict__["end"], wrapt.FunctionWrapper)


def _end(wrapped: Any, span: SdkSpan, args: Any, kwargs: Any) -> Any:
    node = node_of(span)
    if node is not None and span.is_recording():
        try:
            if not node.complete:
                _before_end(span, node)
            _leave_note(span, node)
        except Exception:  # noqa: BLE001 - the host's span must end whatever happens here
            return wrapped(*args, **kwargs)
    return wrapped(*args, **kwargs)


def end_call(span: Any, node: Node | None) -> None:
    """End a span of the gate, about which all has been said."""
    kind = type(span)
    plain = _plain_kinds.get(kind)
    if plain is None:
        plain = _plain_kinds[kind] = _is_plain(kind)
    if node is None or not plain or SdkSpan.__dict__["end"] is not _ours:
        span.end()
        return
    # Past the wrappers, which would find all this out again (3 µs).
    with suppress(Exception):
        _leave_note(span, node)
    _ours.__wrapped__(span)


def _is_plain(kind: type) -> bool:
    """Whether spans of a class end as those of the SDK do."""
    own = kind.__mro__[: kind.__mro__.index(SdkSpan)] if issubclass(kind, SdkSpan) else (kind,)
    return not any("end" in vars(cls) for cls in own)


_plain_kinds: dict[type, bool] = {}


def _leave_note(span: SdkSpan, node: Node) -> None:
    """Errors first: their context tells what went before, without the span itself."""
    failed = span.status.status_code is StatusCode.ERROR
    if failed and not node.failure:
        errors.span_fails(span, node)
    history.span_ends(span, node, failed=failed)
    if node.parent is not None:
        node.tell_parent(span.name, failed=failed, ended_ns=time.time_ns())


def _before_end(span: SdkSpan, node: Node) -> None:
    if node.on_end is not None:
        on_end, node.on_end = node.on_end, None
        on_end(span)
    else:
        leaf_billing.settle(span, node)
    if node.calls and node.kind != "inference":
        span.set_attributes(subtree_attributes(node))


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
