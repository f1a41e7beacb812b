"""What may leave the process: attributes by allow-list, and no secret of the environment. Pure.

The value of every environment variable whose name speaks of a secret is cut out of every
text wherever it turns up. Exact values beat patterns: cheap, and nothing is missed.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from spanledger import semconv

REDACTED = "[redacted]"

_SECRET_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
#: Shorter values ("true", "1234") are no secrets and would tear holes into innocent text.
_MIN_SECRET_LENGTH = 8

#: Attributes that hold what people and models said; only with `export.content`.
CONTENT = frozenset(
    {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.prompt",
        "gen_ai.completion",
        "gen_ai.tool.definitions",
        "gen_ai.event.content",
        "gen_ai.content.prompt",
        "gen_ai.content.completion",
        "gen_ai.retrieval.query.text",
        "gen_ai.retrieval.documents",
        "gen_ai.memory.records",
        semconv.TOOL_ARGUMENTS,
        semconv.TOOL_RESULT,
    }
)
_CONTENT_PREFIXES = ("gen_ai.prompt.", "gen_ai.completion.")

#: Contents of single actions, which `content = "actions"` lets through.
_ACTION_CONTENT = frozenset({semconv.TOOL_ARGUMENTS, semconv.TOOL_RESULT})

#: No prefix of these may be one under which anybody records content: the conventions, and what
#: was there before them, have content of their own under ``gen_ai.`` and ``mcp.``.
_ALLOWED_PREFIXES = (
    "gen_ai.agent.",
    "gen_ai.conversation.",
    "gen_ai.data_source.",
    "gen_ai.embeddings.",
    "gen_ai.openai.",
    "gen_ai.operation.",
    "gen_ai.provider.",
    "gen_ai.request.",
    "gen_ai.response.",
    "gen_ai.token.",
    "gen_ai.usage.",
    "gen_ai.workflow.",
    "spanledger.",
    "openai.",
    "aws.",
    "azure.",
    "gcp.",
    "cloud.",
    "code.",
    "container.",
    "deployment.",
    "device.",
    "exception.",
    "faas.",
    "host.",
    "k8s.",
    "mcp.method.",
    "mcp.protocol.",
    "network.",
    "os.",
    "otel.",
    "server.",
    "client.",
    "service.",
    "telemetry.",
    "thread.",
    "anthropic.usage.",
    "anthropic.request.",
    "anthropic.response.",
    "llm.token_count.",
    "llm.usage.",
)
_ALLOWED = frozenset(
    {
        semconv.ERROR_TYPE,
        semconv.SESSION_ID,
        semconv.USER_ID,
        "anthropic.message.stop_reason",
        "anthropic.thinking.type",
        "anthropic.thinking.budget_tokens",
        "db.collection.name",
        "db.namespace",
        "db.operation",
        "db.operation.name",
        "db.response.status_code",
        "db.system",
        "db.system.name",
        "event.name",
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.label",
        "gen_ai.evaluation.score.value",
        "gen_ai.output.type",
        "gen_ai.system",
        semconv.TOOL_NAME,
        semconv.TOOL_TYPE,
        semconv.TOOL_CALL_ID,
        semconv.TOOL_DESCRIPTION,
        "http.method",
        "http.request.method",
        "http.request.resend_count",
        "http.response.status_code",
        "http.route",
        "http.status_code",
        "jsonrpc.request.id",
        "llm.model_name",
        "llm.provider",
        "llm.request.type",
        "llm.system",
        "mcp.request.id",
        "mcp.resource.uri",
        "mcp.session.id",
        "messaging.destination.name",
        "messaging.operation.name",
        "messaging.system",
        "openinference.span.kind",
        "process.executable.name",
        "process.pid",
        "process.runtime.description",
        "process.runtime.name",
        "process.runtime.version",
        "rpc.grpc.status_code",
        "rpc.method",
        "rpc.response.status_code",
        "rpc.service",
        "rpc.system",
        "rpc.system.name",
        "traceloop.entity.name",
        "traceloop.span.kind",
        "traceloop.workflow.name",
        "url.scheme",
    }
)


class AllowList:
    """Which attributes pass. `extra`: more names, or prefixes that end in ``*``."""

    def __init__(self, *, content: str = "off", extra: Iterable[str] = ()) -> None:
        extra = tuple(extra)
        self._names = _ALLOWED | {name for name in extra if not name.endswith("*")}
        self._prefixes = _ALLOWED_PREFIXES + tuple(n[:-1] for n in extra if n.endswith("*"))
        self._content = content
        self._known: dict[tuple[str, bool], bool] = {}

    def passes(self, name: str, *, content_free: bool) -> bool:
        """Whether an attribute may leave; `content_free`: content stays here in any case."""
        key = (name, content_free)
        known = self._known.get(key)
        if known is None:
            known = self._decide(name, content_free)
            # Names come from code, but a program may make them up: bounded.
            if len(self._known) < 4096:
                self._known[key] = known
        return known

    def _decide(self, name: str, content_free: bool) -> bool:
        if name in CONTENT or name.startswith(_CONTENT_PREFIXES):
            if content_free:
                return False
            return self._content == "full" or (
                self._content == "actions" and name in _ACTION_CONTENT
            )
        return name in self._names or name.startswith(self._prefixes)


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """The values of an environment that must never leave, longest first."""
    values = {
        value
        for name, value in environ.items()
        if _SECRET_NAMES.search(name) and len(value) >= _MIN_SECRET_LENGTH
    }
    return sorted(values, key=len, reverse=True)


def redactor(secrets: Sequence[str]) -> Callable[[str], str]:
    """A function that cuts `secrets` out of a text."""
    if not secrets:
        return lambda text: text
    pattern = re.compile("|".join(map(re.escape, secrets)))
    return lambda text: pattern.sub(REDACTED, text)


def redact_value(value: Any, redact: Callable[[str], str]) -> Any:
    """An attribute's value, a text or texts in lists and tables, without secrets."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(name)): redact_value(item, redact) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_value(item, redact) for item in value]
    return value
