"""Which attributes may leave the process. What is cut out of their values: `redact`. Pure."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from spanledger import semconv

if TYPE_CHECKING:
    from spanledger.processors.redact.engine import Engine

__all__ = ["CONTENT", "AllowList", "Names", "redactor"]

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
        semconv.COMMAND,
        semconv.TOOL_ARGUMENTS,
        semconv.TOOL_RESULT,
    }
)
_CONTENT_PREFIXES = ("gen_ai.prompt.", "gen_ai.completion.")

#: What variables and states of a program held; not for spans that the sampler dropped.
_STATE = frozenset(
    {
        semconv.ERROR_DETAILS,
        semconv.ERROR_LOCALS,
        semconv.ERROR_SNAPSHOTS,
        semconv.SNAPSHOT_CHANGES,
        semconv.SNAPSHOT_STATE,
    }
)

#: Contents of single actions, which `content = "actions"` lets through.
_ACTION_CONTENT = frozenset({semconv.COMMAND, semconv.TOOL_ARGUMENTS, semconv.TOOL_RESULT})

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
    "vcs.ref.head.",
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


class Names:
    """Names, and prefixes that end in ``*``."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        entries = tuple(entries)
        self._names = frozenset(name for name in entries if not name.endswith("*"))
        self._prefixes = tuple(name[:-1] for name in entries if name.endswith("*"))

    def __contains__(self, name: str) -> bool:
        return name in self._names or name.startswith(self._prefixes)


class AllowList:
    """Which attributes pass. `extra`: more of them; `deny`: never, whatever else is said.

    Both are names, or prefixes that end in ``*``.
    """

    def __init__(
        self, *, content: str = "off", extra: Iterable[str] = (), deny: Iterable[str] = ()
    ) -> None:
        self._extra, self._denied = Names(extra), Names(deny)
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
        if name in self._denied:
            return False
        if name in CONTENT or name.startswith(_CONTENT_PREFIXES):
            if content_free:
                return False
            return self._content == "full" or (
                self._content == "actions" and name in _ACTION_CONTENT
            )
        if content_free and (name in _STATE or name.startswith(semconv.EVENT_ATTRIBUTE_PREFIX)):
            return False
        return name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES) or name in self._extra


def redactor(secrets: Sequence[str]) -> "Engine":
    """What cuts `secrets` out of texts, and all that looks like one."""
    from spanledger.processors.redact.engine import Engine

    return Engine(secrets)
