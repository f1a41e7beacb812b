"""Commands, and what tools are given and give.

On the span only where content is wanted, bounded and redacted. Beside that a keeper in this process
may be told, which sends nothing anywhere (`spanledger.history`).
"""

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


#: Told the span, the name that the content has as an attribute, and the content itself: of
#: arguments a table. Must not raise, and must not keep what may still change.
Keeper = Callable[[Span, str, object], None]


class _Choice:
    capture = Capture()
    keeper: Keeper | None = None


def use_capture(capture: Capture) -> None:
    """What is recorded from now on."""
    _Choice.capture = capture


def use_keeper(keeper: Keeper | None) -> None:
    """Who in this process is told from now on."""
    _Choice.keeper = keeper


def capturing() -> bool:
    """Whether anything is recorded on spans."""
    return _Choice.capture.wanted


def wanting() -> bool:
    """Whether anybody wants contents at all."""
    return _Choice.capture.wanted or _Choice.keeper is not None


def note_command(span: Span, command: str) -> None:
    """What was wanted when the work under `span` was done."""
    if _Choice.keeper is not None:
        _Choice.keeper(span, semconv.COMMAND, command)
    if _Choice.capture.wanted:
        _write(span, semconv.COMMAND, command)


def note_arguments(
    span: Span, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Put the arguments on `span`, by their names."""
    if _Choice.keeper is not None:
        _Choice.keeper(span, semconv.TOOL_ARGUMENTS, _quickly_named(function, args, kwargs))
    if _Choice.capture.wanted:
        _write(span, semconv.TOOL_ARGUMENTS, _named(function, args, kwargs))


def note_result(span: Span, result: object) -> None:
    """Put what the tool gave on `span`."""
    if _Choice.keeper is not None:
        _Choice.keeper(span, semconv.TOOL_RESULT, result)
    if _Choice.capture.wanted:
        _write(span, semconv.TOOL_RESULT, result)


def _write(span: Span, name: str, value: object) -> None:
    if not span.is_recording():
        return
    limit = _Choice.capture.limit_chars
    copy = plain(value, reporter().redact, Limits(text_chars=limit, chars=2 * limit))
    text = copy if isinstance(copy, str) else as_json(copy)
    if len(text) > limit:
        span.set_attribute(semconv.TRUNCATED, True)
        text = text[:limit] + MORE
    span.set_attribute(name, text)


def _quickly_named(
    function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """As `_named`, for a fifth of the time: defaults and odd signatures are left aside."""
    code = getattr(function, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    if len(names) < len(args):
        names = (*names, *map(str, range(len(names), len(args))))
    return {n: v for n, v in zip(names, args, strict=False) if n != "self"} | dict(kwargs)


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
