# ruff: noqa: E501 - lines of SQL, as long as the attributes of spans
"""A month of agents at work, made inside ClickHouse, with something of everything that panels show.

An hour has six traces. Each is a run of an agent, which reads two files with a tool, asks a model
four times (once through the tool), hands over to another agent, and sometimes fails.
"""

from datetime import UTC, datetime, timedelta

from spanledger.warehouse import Warehouse

QUOTED = "o'brien"
"""A user, an agent and a tool have a quote in their name."""

_TRACES_AN_HOUR = 6
_SPANS_A_TRACE = 8

_SPANS = """
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName,
    ResourceAttributes, ScopeName, SpanAttributes, Duration, StatusCode, StatusMessage)
WITH
    intDiv(number, 8) AS trace, number % 8 AS place,
    (n -> lower(hex(reinterpretAsFixedString(cityHash64('span', n))))) AS id,
    cityHash64(trace) AS r,
    lower(hex(MD5(toString(trace)))) AS trace_id,
    concat('session-', toString(intDiv(trace, 5))) AS session,
    ['planner', 'researcher', 'o''brien'][1 + trace % 3] AS who,
    place = 6 OR place = 7 ? 'reviewer' : who AS agent,
    ['shop', 'desk'][1 + trace % 2] AS service,
    [('anthropic', 'claude-sonnet-4-5'), ('openai', 'gpt-4o'), ('openai', 'gpt-4.1-mini'), ('acme', 'house-model')][1 + (trace + place) % 4] AS model,
    ['read_file', 'search', 'o''brien'][1 + (trace + place) % 3] AS tool,
    trace % 7 = 0 AND place IN (2, 4) AS failed,
    (300 + r % 9000 + 40 * (number % 97)) * (trace * 8 + 16 = {spans:UInt64} ? 60 : 1) AS input, 40 + r % 700 AS output, intDiv(input, 1 + r % 4) AS cached,
    model.2 = 'house-model' AS unpriced,
    (input - cached) * 2500 + cached * 250 + output * 10000 AS nano_usd,
    map('gen_ai.agent.name', agent, 'gen_ai.conversation.id', session, 'user.id', trace % 4 = 0 ? 'o''brien' : concat('user-', toString(trace % 5))) AS common,
    failed ? map('error.type', place = 2 ? 'TimeoutError' : 'RateLimitError', 'spanledger.error.id', id(number), 'spanledger.error.fingerprint', place = 2 ? 'f00d1' : 'f00d2') : map() AS error
SELECT
    {end:DateTime64(3)} - toIntervalMillisecond(intDiv(({spans:UInt64} / 8 - trace) * 3600000, 6)) + toIntervalSecond(place * 20) AS at,
    trace_id,
    id(number),
    multiIf(place = 0, '', place = 3, id(trace * 8 + 2), place = 7, id(trace * 8 + 6), id(trace * 8)),
    multiIf(place IN (0, 6), concat('invoke_agent ', agent), place IN (1, 2), concat('execute_tool ', tool), concat('chat ', model.2)),
    place IN (0, 6) ? 'Internal' : 'Client',
    service,
    map('service.name', service, 'service.version', trace * 8 > {spans:UInt64} - 24 ? '2.0.0' : '1.9.0', 'host.name', 'host-1'),
    'spanledger.instrumentation',
    multiIf(
        place IN (0, 6), mapUpdate(mapUpdate(common, error), map('gen_ai.operation.name', 'invoke_agent', 'spanledger.subtree.cost', toString(nano_usd * 4), 'spanledger.subtree.tokens', toString((input + output) * 4), 'spanledger.subtree.calls', '4', 'spanledger.subtree.unpriced_calls', '0')),
        place IN (1, 2), mapUpdate(mapUpdate(common, error), map('gen_ai.operation.name', 'execute_tool', 'gen_ai.tool.name', tool)),
        mapUpdate(mapUpdate(common, error), map('gen_ai.operation.name', 'chat', 'gen_ai.provider.name', model.1, 'gen_ai.request.model', model.2,
            'gen_ai.usage.input_tokens', toString(input), 'gen_ai.usage.output_tokens', toString(output), 'gen_ai.usage.cache_read.input_tokens', toString(cached),
            'gen_ai.usage.reasoning.output_tokens', toString(intDiv(output, 5)), 'gen_ai.input.messages', '[{"role":"user"}]',
            'spanledger.billing', place = 5 AND trace % 9 = 0 ? 'attempt' : 'call',
            'spanledger.cost.nano_usd', unpriced ? '' : toString(nano_usd), 'spanledger.cost.provenance', unpriced ? 'unpriced' : 'computed'))),
    1000000 * (200 + r % 18000),
    failed ? 'Error' : 'Unset',
    failed ? (place = 2 ? 'read_file took more than 30 s' : '429: slow down') : ''
FROM numbers({spans:UInt64})
SETTINGS max_partitions_per_insert_block = 0
"""

_DECISIONS = """
INSERT INTO otel_logs (Timestamp, TraceId, SpanId, ServiceName, Body, EventName, LogAttributes)
WITH number % 4 AS kind, intDiv(number, 2) AS trace
SELECT
    {end:DateTime64(3)} - toIntervalSecond(({count:UInt64} - number) * 900 - 60) AS at,
    lower(hex(MD5(toString({traces:UInt64} - {count:UInt64} + number)))), lower(hex(reinterpretAsFixedString(number))), ['shop', 'desk'][1 + number % 2],
    ['The budget daily is used up', 'planner repeats itself', 'openai answers with errors', 'The budget daily has tripped'][1 + kind],
    'spanledger.guard.decision',
    map('spanledger.guard.event', ['refused', 'loop', 'breaker', 'tripped'][1 + kind], 'spanledger.guard.decision', ['refused', 'refused', '', ''][1 + kind],
        'spanledger.guard.reason', ['budget_exceeded', 'loop_detected', 'tripped', 'tripped'][1 + kind], 'spanledger.guard.rule', ['daily', 'loops', 'openai', 'daily'][1 + kind],
        'spanledger.guard.scope', kind = 2 ? 'openai/gpt-4o' : '', 'spanledger.guard.metric', 'cost', 'spanledger.guard.window', 'day', 'spanledger.guard.asked', '25000000',
        'gen_ai.agent.name', ['planner', 'researcher', 'o''brien'][1 + number % 3], 'gen_ai.conversation.id', concat('session-', toString(intDiv({traces:UInt64} - {count:UInt64} + number, 5))),
        'gen_ai.provider.name', 'openai', 'gen_ai.request.model', 'gpt-4o', 'spanledger.guard.decision_id', concat('decision-', toString(number)))
FROM numbers({count:UInt64})
"""

_GAUGES = """
INSERT INTO otel_metrics_gauge (TimeUnix, StartTimeUnix, ServiceName, MetricName, Attributes, Value)
SELECT
    {end:DateTime} - intDiv(number, 10) * 1800, {end:DateTime} - 2592000, 'shop', metric.1,
    number % 2 = 0
        ? map('spanledger.guard.rule', 'daily', 'spanledger.guard.scope', 'global', 'spanledger.guard.metric', 'cost', 'spanledger.guard.window', 'day')
        : map('spanledger.guard.rule', 'monthly', 'spanledger.guard.scope', 'global', 'spanledger.guard.metric', 'cost', 'spanledger.guard.window', 'month'),
    metric.2
FROM (
    SELECT number, [
        ('spanledger.budget.limit', 2.), ('spanledger.budget.spent', 0.3 + (number % 480) / 300),
        ('spanledger.budget.reserved', 0.01), ('spanledger.budget.resets_in', 40000.), ('otelcol_exporter_queue_size', number % 13)
    ][1 + intDiv(number % 10, 2)] AS metric
    FROM numbers({points:UInt64} * 10)
)
"""

_SUMS = """
INSERT INTO otel_metrics_sum (TimeUnix, StartTimeUnix, ServiceName, MetricName, Attributes, Value, AggregationTemporality, IsMonotonic)
SELECT
    {end:DateTime} - ({points:UInt64} - 1 - intDiv(number, 8)) * 1800, {end:DateTime} - 2592000, 'shop', metric.1, metric.2, metric.3 * (1 + intDiv(number, 8)), 2, true
FROM (
    SELECT number, [
        ('spanledger.export.accepted', map('reason', ''), 40.), ('spanledger.export.delivered', map('reason', ''), 39.),
        ('spanledger.export.dropped', map('reason', 'spool_full'), 1.), ('spanledger.export.spooled', map('reason', ''), 0.5),
        ('otelcol_receiver_accepted_spans', map('receiver', 'otlp'), 40.), ('otelcol_exporter_sent_spans', map('exporter', 'clickhouse'), 40.),
        ('claude_code.lines_of_code.count', map('type', 'added', 'session.id', 'code-1', 'user.email', 'o''brien'), 12.),
        ('claude_code.commit.count', map('session.id', 'code-1', 'user.email', 'o''brien'), 1.)
    ][1 + number % 8] AS metric
    FROM numbers({points:UInt64} * 8)
)
"""

_CODING = """
INSERT INTO otel_logs (Timestamp, ServiceName, Body, EventName, LogAttributes, ResourceAttributes)
WITH intDiv(number, 5) AS turn, number % 5 AS place, turn % 3 AS product,
    map('session.id', concat('code-', toString(intDiv(turn, 4))), 'user.email', turn % 2 = 0 ? 'o''brien' : 'ada', 'event.name', '') AS common
SELECT
    {end:DateTime64(3)} - toIntervalSecond(({turns:UInt64} - turn) * 1200 - place * 30) AS at,
    ['claude-code', 'codex-cli', 'gemini-cli'][1 + product],
    product = 0 ? ['claude_code.user_prompt', 'claude_code.api_request', 'claude_code.tool_decision', 'claude_code.tool_result', 'claude_code.api_error'][1 + place] : '',
    '',
    mapUpdate(mapUpdate(common, map('event.name', multiIf(
            product = 0, ['user_prompt', 'api_request', 'tool_decision', 'tool_result', 'api_error'][1 + place],
            product = 1, ['codex.user_prompt', 'codex.sse_event', 'codex.tool_decision', 'codex.tool_result', 'codex.api_request'][1 + place],
            ['gemini_cli.user_prompt', 'gemini_cli.api_response', 'gemini_cli.tool_call', 'gemini_cli.tool_call', 'gemini_cli.api_error'][1 + place]),
        'model', ['claude-sonnet-4-5', 'gpt-4o', 'gemini-2.5-pro'][1 + product])),
    multiIf(
        place = 1 AND product = 0, map('cost_usd', '0.0125', 'duration_ms', '2100', 'input_tokens', '900', 'output_tokens', '300', 'cache_read_tokens', '12000', 'cache_creation_tokens', '400'),
        place = 1 AND product = 1, map('event.kind', 'response.completed', 'input_token_count', '9000', 'output_token_count', '500', 'cached_token_count', '6000', 'reasoning_token_count', '200', 'conversation.id', common['session.id']),
        place = 1, map('input_token_count', '7000', 'output_token_count', '300', 'cached_content_token_count', '2000', 'thoughts_token_count', '100', 'duration_ms', '1800'),
        place = 2, map('tool_name', 'Bash', 'function_name', 'run_shell_command', 'decision', turn % 4 = 0 ? 'reject' : 'accept'),
        place = 3, map('tool_name', 'Edit', 'function_name', 'edit', 'success', turn % 5 = 0 ? 'false' : 'true', 'duration_ms', '120'),
        place = 4, map('error', '429 rate limited', 'error.message', '429 rate limited', 'status_code', '429'),
        map('prompt_length', '120'))),
    map('service.version', '2.1.0')
FROM numbers({turns:UInt64} * 5)
"""

_LINES = """
INSERT INTO otel_logs (Timestamp, TraceId, SpanId, ServiceName, SeverityText, Body, LogAttributes)
SELECT {end:DateTime64(3)} - toIntervalSecond(number * 600 + 570), lower(hex(MD5(toString({traces:UInt64} - 1 - number)))), '', 'shop', 'INFO', 'asked the catalogue', map('rows', '3')
FROM numbers(60)
"""

_ROLLUPS = (
    "calls_hourly", "sessions_hourly", "users_hourly", "tools_hourly", "runs_hourly", "calls_daily",
    "forecast_builds", "anomaly_builds", "model_price_builds",
)  # fmt: skip


def seed(warehouse: Warehouse, end: datetime, hours: int = 30 * 24) -> None:
    """Fill a migrated database with `hours` hours of work up to `end`, which is about now."""
    traces = hours * _TRACES_AN_HOUR
    warehouse.command(_SPANS, end=end, spans=traces * _SPANS_A_TRACE)
    warehouse.command(_DECISIONS, end=end, count=hours, traces=traces)
    warehouse.command(_GAUGES, end=end, points=hours * 2)
    warehouse.command(_SUMS, end=end, points=hours * 2)
    coding_agents(warehouse, end, hours)
    warehouse.command(_LINES, end=end, traces=traces)
    _arrive_before(warehouse, end - timedelta(minutes=2))
    for rollup in _ROLLUPS:
        warehouse.command(f"SYSTEM REFRESH VIEW {rollup}_mv")
        warehouse.command(f"SYSTEM WAIT VIEW {rollup}_mv")


def _arrive_before(warehouse: Warehouse, minute: datetime) -> None:
    """Have all spans come in at `minute`.

    They are noted with the minute in which they did. To fill the tables takes minutes on a busy
    machine, so that this may lie behind the end of what panels show.
    """
    columns = ["minute", "service", "spans", "max_delay_s", "last_at"]
    rows = warehouse.query(
        "SELECT service, sum(spans) AS spans, max(max_delay_s) AS max_delay_s, "
        "max(last_at) AS last_at FROM arrival_minutes GROUP BY service"
    )
    warehouse.command("TRUNCATE TABLE arrival_minutes")
    minute = minute.replace(second=0, microsecond=0)
    told = [[minute, *(row[column] for column in columns[1:])] for row in rows]
    warehouse.insert("arrival_minutes", columns, told)


def coding_agents(warehouse: Warehouse, end: datetime, turns: int) -> None:
    """Records of Claude Code, Codex CLI and Gemini CLI: three turns an hour up to `end`."""
    warehouse.command(_CODING, end=end, turns=turns)


def newest_trace(warehouse: Warehouse) -> tuple[str, str]:
    """The ids of a trace of the last hour that failed, with a decision in it, and of its session."""
    (row,) = warehouse.query(
        "SELECT trace_id, session_id FROM errors "
        "WHERE trace_id IN (SELECT trace_id FROM decisions) ORDER BY ts DESC LIMIT 1"
    )
    return row["trace_id"], row["session_id"]


def now() -> datetime:
    """The end of the seed: a moment ago, so that all of it lies in a range up to now."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=5)
