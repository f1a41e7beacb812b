"""What a tool is given and gives, on its span: only where content is wanted, bounded, redacted."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.trace import Span

from spanledger import semconv
from spanledger.track._marks import as_json
from spanledger.track._reporting import reporter
from spanledger.track.plain import MORE, Limits, plain


class Capture(NamedTuple):
    """Whether contents of tools are recorded, and how much of each."""

    wanted: bool = False
    limit_chars: int = 4000


class _Choice:
    capture = Capture()


def use_capture(capture: Capture) -> None:
    """What is recorded from now on."""
    _Choice.capture = capture


def capturing() -> bool:
    """Whether anything is."""
    return _Choice.capture.wanted


def note_arguments(
    span: Span, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Put the arguments on `span`, by their names."""
    _note(span, semconv.TOOL_ARGUMENTS, _named(function, args, kwargs))


def note_result(span: Span, result: object) -> None:
    """Put what the tool gave on `span`."""
    _note(span, semconv.TOOL_RESULT, result)


def _note(span: Span, name: str, value: object) -> None:
    if not span.is_recording():
        return
    limit = _Choice.capture.limit_chars
    copy = plain(value, reporter().redact, Limits(text_chars=limit, chars=2 * limit))
    text = copy if isinstance(copy, str) else as_json(copy)
    if len(text) > limit:
        span.set_attribute(semconv.TRUNCATED, True)
        text = text[:limit] + MORE
    span.set_attribute(name, text)


def _named(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        bound = inspect.signature(function).bind_partial(*args, **kwargs)
        named = dict(bound.arguments)
        for name, parameter in bound.signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                named |= named.pop(name, {})
        return named
    except (TypeError, ValueError):  # not what the function takes: it will say so itself
        return {**{str(place): value for place, value in enumerate(args)}, **kwargs}
