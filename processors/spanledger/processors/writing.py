"""Writing attributes of ours on a span of the SDK, without its checks of each value."""

from collections.abc import Mapping
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import Span

#: The SDK's own way. A vendor's kind of span, or who wraps this method, wants to be asked.
_SET = SdkSpan.set_attributes


def write(span: Span, attributes: Mapping[str, Any]) -> None:
    """`span.set_attributes`, for values that are attributes as they stand.

    Texts, numbers, and tuples of texts. The SDK looks at each value in some function calls, which
    for the record of a call took 9 of 20 µs. Where it would change or drop one (limits are set, or
    near), or is not the SDK that we know, it does so itself.
    """
    held: Any = getattr(span, "_attributes", None)
    if (
        type(held) is BoundedAttributes
        and type(span).set_attributes is _SET
        and span._end_time is None  # type: ignore[attr-defined]  # it is one of the SDK
        and held.max_value_len is None
        and (held.maxlen is None or len(held._dict) + len(attributes) <= held.maxlen)
    ):
        with held._lock:
            held._dict.update(attributes)
    else:
        span.set_attributes(attributes)
