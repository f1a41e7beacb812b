"""What spans of frameworks say of agent, tool, session and user, in each dialect. Pure.

GenAI conventions (official instrumentations, LangChain, openai-agents, pydantic-ai, google-adk,
strands, mcp), OpenInference, and OpenLLMetry.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from spanledger import semconv
from spanledger.track import Scope

_OPENINFERENCE_KIND = "openinference.span.kind"
_OPENLLMETRY_KIND = "traceloop.span.kind"

_NAMES: dict[str, tuple[str, ...]] = {
    "agent": (semconv.AGENT_NAME, "agent.name", "traceloop.entity.name"),
    "tool": (semconv.TOOL_NAME, "tool.name", "traceloop.entity.name"),
}
_ASSOCIATED = "traceloop.association.properties."
_SESSION = (
    semconv.CONVERSATION_ID,
    semconv.SESSION_ID,
    f"{_ASSOCIATED}session_id",
    "langfuse.session.id",
)
_USER = (semconv.USER_ID, "enduser.id", f"{_ASSOCIATED}user_id", "langfuse.user.id")
_ARGUMENTS = (semconv.TOOL_ARGUMENTS, "input.value", "traceloop.entity.input")
#: OpenInference names the span of an agent after it, if nothing else does.
_RUN_SUFFIXES = (".run", ".run_stream", ".kickoff")


class Role(NamedTuple):
    """What a span stands for: an agent or a tool, and which."""

    kind: Literal["agent", "tool"]
    name: str | None


def role_of(attributes: Mapping[str, Any], span_name: str = "") -> Role | None:
    """The role of a span; None if it is neither an agent nor a tool."""
    operation = attributes.get(semconv.OPERATION_NAME)
    kind: Any = _OPERATIONS.get(operation) if operation is not None else _foreign_kind(attributes)
    if kind is None:
        return None
    name = _first(attributes, _NAMES[kind])
    if name is None and kind == "agent":
        name = _of_span_name(span_name)
    return Role(kind, name)


_OPERATIONS = {semconv.TOOL_OPERATION: "tool", semconv.AGENT_OPERATION: "agent"}


def _foreign_kind(attributes: Mapping[str, Any]) -> str | None:
    kind = attributes.get(_OPENINFERENCE_KIND) or attributes.get(_OPENLLMETRY_KIND)
    found = kind.lower() if isinstance(kind, str) else None
    return found if found in _NAMES else None


def arguments_of(attributes: Mapping[str, Any]) -> object:
    """What a tool was called with, if its span says so; None if not."""
    return next((attributes[name] for name in _ARGUMENTS if name in attributes), None)


def session_of(attributes: Mapping[str, Any]) -> str | None:
    """The session that a span names."""
    return _first(attributes, _SESSION)


def scope_told_by(attributes: Mapping[str, Any], scope: Scope, span_name: str = "") -> Scope:
    """`scope` with what a span adds to it. What the program itself has said stays as it is.

    The very same object if nothing is added.
    """
    told: dict[str, Any] = {}
    if scope.session is None and (session := session_of(attributes)) is not None:
        told["session"] = session
    if scope.user is None and (user := _first(attributes, _USER)) is not None:
        told["user"] = user
    role = role_of(attributes, span_name)
    if role is not None and role.name is not None:
        if role.kind == "tool":
            told["tool"] = role.name
        elif scope.agent != role.name:  # two instrumentations, or one and `track.agent`
            told["agents"] = (*scope.agents, role.name)
    return scope._replace(**told) if told else scope


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return None


def _of_span_name(span_name: str) -> str | None:
    for suffix in _RUN_SUFFIXES:
        if span_name.endswith(suffix):
            return span_name.removesuffix(suffix) or None
    return None
