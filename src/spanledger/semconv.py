"""The names of every attribute, event and metric that Spanledger reads or writes.

The GenAI conventions (https://github.com/open-telemetry/semantic-conventions-genai, schema
1.42.0) are in development and have no Python constants under their present names, so they
are spelled here, once. Everything of our own is under ``spanledger.``.
"""

from typing import Final

# --- GenAI conventions -------------------------------------------------------------------
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
AGENT_NAME: Final = "gen_ai.agent.name"
AGENT_ID: Final = "gen_ai.agent.id"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
TOOL_DESCRIPTION: Final = "gen_ai.tool.description"
TOOL_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
TOOL_RESULT: Final = "gen_ai.tool.call.result"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
USAGE_REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"

TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - an attribute's name

# Anthropic's own name for the part of the cache writes that is kept for an hour.
ANTHROPIC_CACHE_WRITE_1H_TOKENS: Final = "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
OPENAI_RESPONSE_SERVICE_TIER: Final = "openai.response.service_tier"

# --- General conventions -----------------------------------------------------------------
ERROR_TYPE: Final = "error.type"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
SESSION_ID: Final = "session.id"
USER_ID: Final = "user.id"
SERVICE_NAME: Final = "service.name"

# --- Proposed for the GenAI conventions (semantic-conventions-genai #443), written too ----
COST_AMOUNT: Final = "gen_ai.usage.cost.amount"
COST_CURRENCY: Final = "gen_ai.usage.cost.currency"
COST_SOURCE: Final = "gen_ai.usage.cost.source"

# --- Ours --------------------------------------------------------------------------------
CALL_ID: Final = "spanledger.call.id"
#: Absent on the first attempt.
CALL_ATTEMPT: Final = "spanledger.call.attempt"
#: How this span counts. Call records: ``call`` (billed here), ``attempt`` (failed, and
#: another attempt followed), ``unsent`` (failed before it reached the provider). No records:
#: ``shadow`` (the same provider call as a span that is billed), ``container`` (an inference span
#: around the billed one), ``refused`` (the guard did not let it through).
BILLING: Final = "spanledger.billing"
COST_NANO_USD: Final = "spanledger.cost.nano_usd"
COST_PROVENANCE: Final = "spanledger.cost.provenance"
COST_PRICE_VERSION: Final = "spanledger.cost.price_version"
#: What the library that made the span says the call has cost, in US dollars. Never billed.
COST_FOREIGN_USD: Final = "spanledger.cost.foreign_usd"
#: Absent when the provider itself said what was used.
USAGE_SOURCE: Final = "spanledger.usage.source"
STREAM_OUTCOME: Final = "spanledger.stream.outcome"
SUBTREE_COST_NANO_USD: Final = "spanledger.subtree.cost"
SUBTREE_TOKENS: Final = "spanledger.subtree.tokens"
SUBTREE_CALLS: Final = "spanledger.subtree.calls"
SUBTREE_UNPRICED_CALLS: Final = "spanledger.subtree.unpriced_calls"
GUARD_DECISION: Final = "spanledger.guard.decision"
#: Identity of one decision: its log record, sent twice, is one row in the warehouse.
GUARD_DECISION_ID: Final = "spanledger.guard.decision_id"
#: What happened: ``refused``, ``waited``, ``cut``, ``overrun``, ``lease_charged``.
GUARD_EVENT_KIND: Final = "spanledger.guard.event"
GUARD_REASON: Final = "spanledger.guard.reason"
GUARD_RULE: Final = "spanledger.guard.rule"
GUARD_SCOPE: Final = "spanledger.guard.scope"
GUARD_METRIC: Final = "spanledger.guard.metric"
GUARD_WINDOW: Final = "spanledger.guard.window"
#: Which ledger a budget stands in: of one process, of one host, or shared by all.
GUARD_LEDGER: Final = "spanledger.guard.ledger"
GUARD_LIMIT: Final = "spanledger.guard.limit"
GUARD_SPENT: Final = "spanledger.guard.spent"
GUARD_RESERVED: Final = "spanledger.guard.reserved"
GUARD_ASKED: Final = "spanledger.guard.asked"
GUARD_WAITED_S: Final = "spanledger.guard.waited_s"
GUARD_ESTIMATE: Final = "spanledger.guard.estimate"
GUARD_RETRY_AFTER_S: Final = "spanledger.guard.retry_after_s"
BUDGET_REMAINING: Final = "spanledger.budget.remaining"
TOOL_ARGUMENTS_HASH: Final = "spanledger.tool.arguments_hash"
TOOL_CATEGORY: Final = "spanledger.tool.category"
TOOL_TAGS: Final = "spanledger.tool.tags"
TOOL_PERMISSION: Final = "spanledger.tool.permission"
TOOL_TIMEOUT_S: Final = "spanledger.tool.timeout_s"
#: The result was kept from an earlier call: the tool did not run, and nothing was charged.
TOOL_CACHED: Final = "spanledger.tool.cached"
#: The tools of a chain, in their order.
TOOL_CHAIN: Final = "spanledger.tool.chain"
#: What somebody wanted when this was done: content.
COMMAND: Final = "spanledger.command"
SPAN_KIND: Final = "spanledger.kind"
TRUNCATED: Final = "spanledger.truncated"
ERROR_MESSAGE: Final = "spanledger.error.message"
ERROR_STATUS_CODE: Final = "spanledger.error.http_status_code"
#: The provider's own word for it, like ``insufficient_quota``: one of few.
ERROR_PROVIDER_CODE: Final = "spanledger.error.provider_code"
ERROR_REQUEST_ID: Final = "spanledger.error.request_id"
ERROR_RETRY_AFTER_S: Final = "spanledger.error.retry_after_s"
#: The same on every span that an exception passes through, in the log and from `track.error`.
ERROR_ID: Final = "spanledger.error.id"
#: The same for the same kind of exception from the same functions.
ERROR_FINGERPRINT: Final = "spanledger.error.fingerprint"
#: The event that holds the context of an error, and its parts, each a JSON text.
ERROR_EVENT_NAME: Final = "spanledger.error"
ERROR_HANDLED: Final = "spanledger.error.handled"
ERROR_CHAIN: Final = "spanledger.error.chain"
ERROR_FRAMES: Final = "spanledger.error.frames"
ERROR_LOCALS: Final = "spanledger.error.locals"
ERROR_PATH: Final = "spanledger.error.path"
ERROR_RESOURCES: Final = "spanledger.error.resources"
ERROR_SNAPSHOTS: Final = "spanledger.error.snapshots"
#: What the caller of `track.error` added.
ERROR_DETAILS: Final = "spanledger.error.details"
#: `success`, `error`, `completed`, `incomplete` or `partial`.
SESSION_STATUS: Final = "spanledger.session.status"
#: Before the names of what `track.event` is given.
EVENT_ATTRIBUTE_PREFIX: Final = "spanledger.event."
SNAPSHOT_EVENT_NAME: Final = "spanledger.snapshot"
SNAPSHOT_LABEL: Final = "spanledger.snapshot.label"
SNAPSHOT_STATE: Final = "spanledger.snapshot.state"
SNAPSHOT_CHANGES: Final = "spanledger.snapshot.changes"
SCRIPT_NAME: Final = "spanledger.script.name"
SCRIPT_ARGUMENTS: Final = "spanledger.script.arguments"
SCRIPT_LIBRARIES: Final = "spanledger.script.libraries"
#: Before the names of chosen environment variables.
SCRIPT_ENVIRON_PREFIX: Final = "spanledger.script.environ."

#: What recovery did, ``retry``, ``fallback`` or ``adapt``; the span covers the new try.
RECOVERY_ACT: Final = "spanledger.recovery.act"
#: Whose work it is.
RECOVERY_NAME: Final = "spanledger.recovery.name"
#: The kind of failure that led there.
RECOVERY_FAILURE: Final = "spanledger.recovery.failure"
RECOVERY_WAIT_S: Final = "spanledger.recovery.wait_s"
#: The alternative that was taken, or the rule by which the prompt was changed.
RECOVERY_CHOICE: Final = "spanledger.recovery.choice"
#: On the event that ends it: what was tried, in order, and why it was left; why it gave up.
RECOVERY_EVENT_NAME: Final = "spanledger.recovery"
RECOVERY_TRAIL: Final = "spanledger.recovery.trail"
RECOVERY_GAVE_UP: Final = "spanledger.recovery.gave_up"
HEALTH_EVENT_NAME: Final = "spanledger.health.action"
HEALTH_OPERATION: Final = "spanledger.health.operation"
HEALTH_OUTCOME: Final = "spanledger.health.outcome"
PROCESS_PID: Final = "process.pid"
HEALTH_PROFILE: Final = "spanledger.health.profile"

#: ``event.name`` of the log record that carries one guard decision.
GUARD_EVENT_NAME: Final = "spanledger.guard.decision"

METRIC_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 - a metric's name
METRIC_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
#: The totals of `spanledger.track.tokens`, and whether they are of model calls or of the program.
METRIC_TOKENS_USED: Final = "spanledger.tokens.used"
TOKENS_SOURCE: Final = "spanledger.tokens.source"
METRIC_UNPRICED_CALLS: Final = "spanledger.cost.unpriced_calls"
METRIC_GUARD_DECISIONS: Final = "spanledger.guard.decisions"
METRIC_BUDGET_LIMIT: Final = "spanledger.budget.limit"
METRIC_BUDGET_SPENT: Final = "spanledger.budget.spent"
METRIC_BUDGET_RESERVED: Final = "spanledger.budget.reserved"
METRIC_BUDGET_RESETS_IN: Final = "spanledger.budget.resets_in"
METRIC_EXPORT_ACCEPTED: Final = "spanledger.export.accepted"
METRIC_EXPORT_DELIVERED: Final = "spanledger.export.delivered"
METRIC_EXPORT_SPOOLED: Final = "spanledger.export.spooled"
METRIC_EXPORT_DROPPED: Final = "spanledger.export.dropped"
METRIC_EXPORT_SPOOL_ERRORS: Final = "spanledger.export.spool_errors"
#: Random, new in every process: workers may share their resource, and with a fork even its ids.
EXPORT_PROCESS: Final = "spanledger.export.process"
METRIC_HEALTH_SCORE: Final = "spanledger.health.score"
METRIC_HEALTH_OPERATION_DURATION: Final = "spanledger.health.operation.duration"
METRIC_RECOVERY_ACTS: Final = "spanledger.recovery.acts"
METRIC_PROCESS_MEMORY: Final = "process.memory.usage"
METRIC_PROCESS_CPU: Final = "process.cpu.utilization"
METRIC_PROCESS_THREADS: Final = "process.thread.count"
METRIC_PROCESS_FILES: Final = "process.unix.file_descriptor.count"

#: Operations in which a provider is asked to produce or embed: each is one call that is billed.
INFERENCE_OPERATIONS: Final = frozenset(
    {"chat", "generate_content", "text_completion", "embeddings"}
)
TOOL_OPERATION: Final = "execute_tool"
AGENT_OPERATION: Final = "invoke_agent"
