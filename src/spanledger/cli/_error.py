"""One failure for people's eyes: what, where, with which values, after what. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from spanledger.analytics import ErrorContext, ErrorRow
from spanledger.cli._format import harmless, show_duration
from spanledger.cli._tables import NONE

HEADINGS = ("when", "what", "agent", "error", "message", "id")
_ID_CHARACTERS = 10
_LONGEST_MESSAGE = 80
_LONGEST_VALUE = 200
_MOST_LINES = 40


def cells(error: ErrorRow) -> list[str]:
    """A row of the list."""
    message = harmless(error.message)
    return [
        f"{error.at:%m-%d %H:%M:%S}",
        harmless(what(error)),
        harmless(error.agent) or NONE,
        harmless(error.error_type) or NONE,
        message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…",
        own_id(error)[:_ID_CHARACTERS],
    ]


def own_id(error: ErrorRow) -> str:
    """Its id, or its span's: those of other producers have none."""
    return error.error_id or error.action_id


def what(error: ErrorRow) -> str:
    """``tool track_parcel``."""
    return f"{error.kind} {error.tool or error.model or error.service}".strip()


def told(found: ErrorContext) -> RenderableType:
    """The whole of it, most wanted first."""
    error, context = found.error, found.context
    head = Text(f"{error.error_type or 'Error'}: {harmless(error.message)}", style="bold red")
    parts = [
        head if error.error_type or error.message else Text("Dealt with by the program", "bold"),
        Text("\n".join(_facts(error))),
        *_section("caused by", _chain(_dicts(context.get("chain")))),
        *_section("where", _frames(context)),
        *_section("what led there", _path(_dicts(context.get("path")))),
        *_section("snapshots", _snapshots(_dicts(context.get("snapshots")))),
        *_section("details", _pairs(context.get("details"))),
        *_section("process", _pairs(context.get("resources"))),
    ]
    if not context:
        parts += _section("stack", map(harmless, found.stacktrace.splitlines()[-_MOST_LINES:]))
    if not context and not found.stacktrace:
        parts.append(Text("\nNothing was recorded around it: errors.context is off, or the span "
                          "was not sampled, or others made it.", style="dim"))  # fmt: skip
    return Group(*parts)


def _facts(error: ErrorRow) -> Iterator[str]:
    yield f"  {harmless(what(error))}, {error.at:%Y-%m-%d %H:%M:%S} UTC"
    for name, value in (
        ("agent", error.agent),
        ("session", error.session),
        ("service", error.service),
        ("error", error.error_id),
        ("group", error.error_group),
        ("span", error.action_id),
        ("trace", error.trace_id),
    ):
        if value:
            yield f"  {name:8} {harmless(value)}"


def _section(title: str, lines: Iterator[str]) -> list[Text]:
    found = list(lines)
    if not found:
        return []
    return [Text(f"\n{title}", style="bold"), *(Text(f"  {line}") for line in found)]


def _chain(chain: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """All but the first, which is the headline."""
    for each in chain[1:]:
        relation, kind = each.get("relation", "then"), each.get("type", "")
        text = f"{relation}: {kind}: {each.get('message', '')}"
        yield harmless(f"{text} (at {each['raised_at']})" if each.get("raised_at") else text)


def _frames(context: Mapping[str, Any]) -> Iterator[str]:
    variables = {each.get("frame"): each.get("variables") for each in _dicts(context.get("locals"))}
    for number, frame in enumerate(_dicts(context.get("frames"))):
        place = f"{frame.get('file', '?')}:{frame.get('line', '?')} in {frame.get('function', '?')}"
        yield harmless(place)
        for line in frame.get("source") or ():
            yield harmless(f"  {str(line).rstrip()}")
        yield from (f"      {pair}" for pair in _pairs(variables.get(number)))


def _path(path: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """From the session down to what failed."""
    for each in reversed(path):
        indent = "  " * int(each.get("depth") or 0)
        lasted = each.get("duration_s")
        time = f", {show_duration(lasted)}" if isinstance(lasted, int | float) else ""
        yield harmless(f"{indent}{each.get('name', '?')}: {each.get('status', '?')}{time}")


def _snapshots(snapshots: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in snapshots:
        rest = {name: value for name, value in each.items() if name != "label"}
        yield harmless(f"{each.get('label', '?')}: {_short(rest)}")


def _pairs(values: Any) -> Iterator[str]:
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield harmless(f"{name} = {_short(value)}")
    elif values:
        yield harmless(_short(values))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    """The entries of a list that are tables; a Collector may have cut it to a text."""
    found = value if isinstance(value, list) else []
    return [each for each in found if isinstance(each, Mapping)]
