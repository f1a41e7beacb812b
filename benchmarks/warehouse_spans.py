# ruff: noqa: E501 - one SQL statement, whose lines are attributes of spans
"""Realistic spans for the benchmarks of the warehouse, made inside ClickHouse.

Every trace is one run of an agent: an `invoke_agent` span, two tool calls and five model calls
by our gate, with the attributes that its spans have in fact. Ids are random, times and durations
have all their nanoseconds, each model has its own prices, sessions hold four runs, one call in
forty fails.
"""

from spanledger.warehouse import Warehouse

SPANS_PER_TRACE = 8
_BATCH = 200_000

#: Provider, model, its dated name, and nano-USD a token: input, from the cache, output.
_MODELS = (
    ("openai", "gpt-4.1", "gpt-4.1-2025-04-14", 2000, 500, 8000),
    ("openai", "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", 400, 100, 1600),
    ("openai", "gpt-4o", "gpt-4o-2024-08-06", 2500, 1250, 10000),
    ("openai", "gpt-4o-mini", "gpt-4o-mini-2024-07-18", 150, 75, 600),
    ("openai", "o4-mini", "o4-mini-2025-04-16", 1100, 275, 4400),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929", 3000, 300, 15000),
    ("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001", 1000, 100, 5000),
    ("anthropic", "claude-opus-4-1", "claude-opus-4-1-20250805", 15000, 1500, 75000),
)

_INSERT = """
INSERT INTO otel_traces (Timestamp, TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName,
    ResourceAttributes, ScopeName, ScopeVersion, SpanAttributes, Duration, StatusCode)
WITH
    {models} AS models,
    intDiv(number, 8) AS trace, number % 8 AS place,
    intDiv(trace, 4) AS session, cityHash64('session', session) AS s,
    models[1 + cityHash64('model', session, place % 3) % length(models)] AS model,
    cityHash64('span', number) AS r,
    lower(hex(MD5(concat('trace', toString(trace))))) AS trace_id,
    concat('agent-', toString(s % 20)) AS agent,
    concat('team-', toString(s % 5)) AS service,
    200 + r % 6000 AS input, 20 + intDiv(r, 7919) % 900 AS output, intDiv(input * (r % 3), 4) AS cached,
    (input - cached) * model.4 + cached * model.5 + output * model.6 AS nano_usd,
    intDiv(r, 104729) % 40 = 0 AS failed,
    ['search_orders', 'read_file', 'run_sql', 'send_mail', 'http_get'][1 + r % 5] AS tool,
    map('gen_ai.agent.name', agent, 'gen_ai.conversation.id', lower(hex(MD5(toString(session)))),
        'user.id', concat('user-', toString(s % 20000))) AS who,
    mapUpdate(who, map('gen_ai.operation.name', 'chat', 'gen_ai.provider.name', model.1,
        'gen_ai.request.model', model.2, 'gen_ai.response.model', model.3,
        'gen_ai.request.max_tokens', '4096', 'gen_ai.request.temperature', '0.2',
        'gen_ai.response.id', concat('chatcmpl-', substring(base58Encode(MD5(toString(r))), 1, 22)),
        'gen_ai.response.finish_reasons', place % 3 = 0 ? '["stop"]' : '["tool_calls"]',
        'gen_ai.usage.input_tokens', toString(input), 'gen_ai.usage.output_tokens', toString(output),
        'gen_ai.usage.cache_read.input_tokens', toString(cached),
        'server.address', concat('api.', model.1, '.com'), 'server.port', '443')) AS chat,
    mapUpdate(chat, map('spanledger.call.id', lower(hex(MD5(concat('call', toString(r))))),
        'spanledger.billing', 'call', 'spanledger.cost.nano_usd', toString(nano_usd),
        'spanledger.cost.provenance', 'computed',
        'spanledger.cost.price_version', 'genai-prices-0.2.3+98c1259e8861',
        'spanledger.guard.decision', 'allowed', 'spanledger.kind', 'call',
        'gen_ai.usage.cost.amount', toString(nano_usd / 1e9), 'gen_ai.usage.cost.currency', 'USD',
        'gen_ai.usage.cost.source', 'local')) AS billed
SELECT
    toDateTime64(toUnixTimestamp(today()) - {days:UInt32} * 86400, 9)
        + toIntervalMillisecond(intDiv((trace - intDiv({first:UInt64}, 8)) * {days:UInt32} * 86400000, intDiv({spans:UInt64}, 8)) + place * 1500)
        + toIntervalNanosecond(intDiv(r, 13) % 1000000000) AS at,
    trace_id,
    lower(hex(reinterpretAsFixedString(r))),
    place = 0 ? '' : lower(hex(reinterpretAsFixedString(cityHash64('span', trace * 8)))),
    multiIf(place = 0, concat('invoke_agent ', agent), place < 3, concat('execute_tool ', tool), concat('chat ', model.2)),
    place = 0 ? 'Internal' : 'Client', service,
    map('service.name', service, 'service.version', '1.4.2', 'deployment.environment.name', 'prod',
        'host.name', concat('host-', toString(s % 50)), 'process.pid', toString(1000 + s % 97),
        'telemetry.sdk.language', 'python', 'telemetry.sdk.name', 'opentelemetry', 'telemetry.sdk.version', '1.45.0'),
    'spanledger.instrumentation', '0.1.0',
    multiIf(
        place = 0, mapUpdate(who, map('gen_ai.operation.name', 'invoke_agent', 'spanledger.kind', 'agent',
            'spanledger.subtree.cost', toString(nano_usd * 5), 'spanledger.subtree.tokens', toString((input + output) * 5),
            'spanledger.subtree.calls', '5', 'spanledger.subtree.unpriced_calls', '0')),
        place < 3, mapUpdate(who, map('gen_ai.operation.name', 'execute_tool', 'gen_ai.tool.name', tool,
            'gen_ai.tool.type', 'function', 'gen_ai.tool.call.id', concat('call_', substring(base58Encode(MD5(toString(r))), 1, 22)),
            'spanledger.tool.arguments_hash', lower(hex(MD5(toString(r % 50000)))))),
        failed, mapUpdate(billed, map('error.type', 'RateLimitError', 'spanledger.error.id', lower(hex(reinterpretAsFixedString(r + 1))),
            'spanledger.error.fingerprint', lower(hex(reinterpretAsFixedString(s % 30))))),
        billed),
    20000000 + intDiv(r, 31) % 4000000000,
    failed ? 'Error' : 'Unset'
FROM numbers({offset:UInt64}, {count:UInt64})
"""


def fill(warehouse: Warehouse, spans: int, *, days: int = 30, first: int = 0) -> None:
    """Put `spans` spans of the last `days` days into the landing table and all its views.

    `first`: how many are there already, from calls before this one.
    """
    models = "[" + ", ".join(str(model) for model in _MODELS) + "]"
    for offset in range(0, spans, _BATCH):
        warehouse.command(
            _INSERT.replace("{models}", models) + " SETTINGS max_partitions_per_insert_block = 0",
            days=days,
            spans=spans,
            first=first,
            offset=first + offset,
            count=min(_BATCH, spans - offset),
        )
