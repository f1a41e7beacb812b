"""What agents do goes into the ring of recent actions, as spans end.

This is on the way of every call: an entry is a tuple of what the span has anyway. Texts are cut,
and nothing else is done to them; secrets are cut out when somebody asks (`spanledger.history`).
Commands, arguments and results hang on a span's node, because in this process they are at hand
also where content is not recorded on spans.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.trace import Span

from spanledger import semconv
from spanledger.history.kinds import Kind, kind_of
from spanledger.history.ring import (
    ATTRIBUTES,
    LOOK_AHEAD_CHARS,
    RESULT_CHARS,
    Noted,
    Ring,
    use_language,
    use_ring,
)
from spanledger.lean import make
from spanledger.processors.nodes import Node, node_of
from spanledger.processors.roles import role_of
from spanledger.track import use_keeper
from spanledger.track.plain import Limits, plain

_MOST_CHARS: Final = RESULT_CHARS + LOOK_AHEAD_CHARS
#: Of values that are no texts: about what fits into the characters that are shown.
_LIMITS: Final = Limits(depth=3, items=12, text_chars=_MOST_CHARS, values=40, chars=_MOST_CHARS)
_SCALARS: Final = frozenset({int, float, bool, type(None)})
_DOUBLES: Final = frozenset({"shadow", "container"})
#: Where a message of a user ends: whoever is around it serves a command of their own.
_DOORS: Final = frozenset(
    {"session", "agent", semconv.AGENT_OPERATION, "AGENT", "tool", semconv.TOOL_OPERATION, "TOOL"}
)

_ring: Ring | None = None


class _Contents:
    """What is known of one open span."""

    command: str | None = None
    #: What the user said in the newest model call below it.
    said: str | None = None
    arguments: Any = None
    result: Any = None


def use(ring: Ring | None) -> None:
    """Where actions go from now on; None: nowhere."""
    global _ring
    _ring = ring
    if ring is None:
        use_language("en")
    use_ring(ring)
    use_keeper(None if ring is None else _keep)


def remember(actions: int, redact: Callable[[str], str], language: str = "en") -> None:
    """Keep the last `actions` of this process; 0: none. `redact` cuts secrets out of a text."""
    use_language(language)
    use(Ring(actions, redact) if actions > 0 else None)


# --- contents ------------------------------------------------------------------------------


def _keep(span: Span, name: str, value: object) -> None:
    if (node := node_of(span)) is None:
        return
    try:
        if name == semconv.COMMAND:
            _command(node, str(value)[:_MOST_CHARS])
        elif name == semconv.TOOL_ARGUMENTS:
            _of(node).arguments = _short(value)
        else:
            _of(node).result = _short(value)
    except Exception:  # noqa: BLE001 - the program's tool must run whatever its values are
        return


def _of(node: Node) -> _Contents:
    if node.contents is None:
        node.contents = _Contents()
    contents: _Contents = node.contents
    return contents


def _command(node: Node, text: str) -> None:
    """Of an operation: its own. Of a model call: also of what comes after it in the same agent."""
    if node.kind != "inference":
        _of(node).command = text
        return
    around: Node | None = node
    while around is not None:
        # As `_of` does, on the way of every call.
        contents = around.contents
        if contents is None:
            contents = around.contents = _Contents()
        contents.said = text
        around = None if around.label in _DOORS else around.parent


def _short(value: object) -> Any:
    """A copy that nobody else holds; text is cut, and looked at only when it is read."""
    kind = type(value)
    if kind is str:
        return value[:_MOST_CHARS]  # type: ignore[index]  # it is a text
    return value if kind in _SCALARS else plain(value, _unchanged, _LIMITS)


def _unchanged(text: str) -> str:
    return text


def _served(node: Node) -> str | None:
    """The command that the work under a span serves: the program's word before the user's."""
    said: str | None = None
    around: Node | None = node
    while around is not None:
        if (contents := around.contents) is not None:
            if contents.command is not None:
                return str(contents.command)
            said = said or contents.said
        around = around.parent
    return said


# --- the end of a span ---------------------------------------------------------------------


def span_ends(span: SdkSpan, node: Node, *, failed: bool) -> None:
    """Note the action that `span` stands for, if it stands for one."""
    if _ring is None:
        return
    inference = node.kind == "inference"
    kind = "call" if inference else kind_of(node.label)
    if kind is None:
        return
    # The SDK's own mapping takes a lock for each question.
    attributes: Any = getattr(span._attributes, "_dict", None) or {}
    if attributes.get(semconv.BILLING) in _DOUBLES:
        return
    trace_id, span_id, *_ = span.context
    parent, contents = span.parent, node.contents
    model = attributes.get(semconv.REQUEST_MODEL) if inference else None
    action = (
        kind,
        trace_id,
        span_id,
        0 if parent is None else parent.span_id,
        model if type(model) is str else _name(kind, span, attributes),
        node.started_ns or span.start_time or 0,
        time.time_ns(),
        failed,
        span.status.description if failed else None,
        # The gate's own spans hold little else, and nobody changes them any more.
        attributes if node.complete else _wanted(attributes),
        _served(node),
        None if contents is None else contents.arguments,
        None if contents is None else contents.result,
    )
    _ring.append(make(Noted, action))


def _wanted(attributes: Any) -> dict[str, Any]:
    return {name: attributes[name] for name in ATTRIBUTES if name in attributes}


def _name(kind: Kind, span: SdkSpan, attributes: Any) -> str:
    if (name := attributes.get(_NAMES.get(kind, ""))) is not None:
        return str(name)
    role = role_of(attributes, span.name) if kind in {"tool", "agent"} else None
    return span.name if role is None or role.name is None else role.name


_NAMES: dict[Kind | str, str] = {
    "tool": semconv.TOOL_NAME,
    "call": semconv.REQUEST_MODEL,
    "agent": semconv.AGENT_NAME,
    "session": semconv.CONVERSATION_ID,
}
