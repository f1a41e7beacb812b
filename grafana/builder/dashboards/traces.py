# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""Find a trace, and read it."""

from grafana.builder import links, units
from grafana.builder.model import Choice, Dashboard, Row, Text
from grafana.builder.panels import ANY_IS_BAD, Column, lines, logs, table, waterfall
from grafana.builder.shared import COMMON, DEPLOYMENTS, TOOL
from grafana.builder.sql import EVERYWHERE

_FIND = "Nothing found: widen the time range, or take a filter away"
_CLICK = "Click a trace in the table above, or paste a trace id"
_ID = "lower(replaceAll(${trace:sqlstring}, '-', ''))"
_THIS = f"trace_id = {_ID}"

OUTCOME = Choice("outcome", "Outcome", "SELECT arrayJoin(['ok', 'failed']) AS outcome")

_TEXTS = (
    Text("session", "Session"),
    Text("user", "User"),
    Text("error", "Error contains", "Part of an error's type or message"),
    Text("min_cost", "Cost from ($)", "Only traces that cost as much, in US dollars"),
    Text("min_seconds", "Seconds from", "Only traces that lasted as long"),
    Text("trace", "Trace", "Show this trace below"),
)
#: No text narrows the search: then the newest traces are enough.
_NO_TEXT = " AND ".join(f"${{{text.name}:sqlstring}} = ''" for text in _TEXTS[:-1])
#: So many calls are looked at from the end of the time range back.
_NEWEST = 20_000

_FROM = f"""(
    SELECT if({_NO_TEXT}, max(hour), toStartOfHour(toDateTime($__fromTime, 'UTC')))
    FROM (
        SELECT hour, sum(sum(calls)) OVER (ORDER BY hour DESC) AS calls_from_here
        FROM cost_hourly
        WHERE hour >= toStartOfHour(toDateTime($__fromTime, 'UTC')) AND hour <= $__toTime AND {EVERYWHERE.hours}
        GROUP BY hour
        UNION ALL
        SELECT toStartOfHour(toDateTime($__fromTime, 'UTC')), {_NEWEST}
    )
    WHERE calls_from_here >= {_NEWEST}
)"""

_CALLS = f"""$__timeFilter(ts) AND ts >= toDateTime64({_FROM}, 6, 'UTC') AND {EVERYWHERE.rows}
        AND (${{session:sqlstring}} = '' OR session_id = ${{session:sqlstring}})
        AND (${{user:sqlstring}} = '' OR user_id = ${{user:sqlstring}})
        AND $__conditionalAll(trace_id IN (SELECT trace_id FROM tools WHERE $__timeFilter(ts) AND tool IN (${{tool:singlequote}})), $tool)
        AND (${{error:sqlstring}} = '' OR trace_id IN (
            SELECT trace_id FROM errors WHERE $__timeFilter(ts) AND positionCaseInsensitiveUTF8(concat(error_type, ' ', message), ${{error:sqlstring}}) > 0))"""

_SEARCH = (
    lines(
        "Calls found",
        f"""SELECT $__timeInterval(ts) AS time, if(status = 'Error', 'failed', 'ok') AS series, toFloat64(count()) AS calls
FROM calls
WHERE {_CALLS}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        bars=True,
        stacked=True,
        width=24,
        height=5,
        description="Model calls that match, over time. Without a filter by text these are the newest "
        f"hours with about {_NEWEST:,} calls: drag over a part of the time axis to look further back.",
        no_value=_FIND,
    ),
    table(
        "Traces",
        f"""SELECT trace_id AS Trace, min(ts) AS Began, any(agent) AS Agent, any(session_id) AS Session, any(user_id) AS User,
    arrayStringConcat(groupUniqArray(4)(if(request_model != '', request_model, response_model)), ', ') AS Models,
    count() AS Calls, countIf(status = 'Error') AS Failed,
    sum(toUInt64(ifNull(input_tokens, 0)) + ifNull(output_tokens, 0)) AS Tokens,
    toFloat64(sum(cost_usd)) AS Cost,
    dateDiff('millisecond', min(ts), max(ts + toIntervalMicrosecond(duration_us))) / 1000 AS Seconds
FROM calls
WHERE {_CALLS}
GROUP BY trace_id
HAVING ifNull(Cost, 0) >= toFloat64OrZero(${{min_cost:sqlstring}}) AND Seconds >= toFloat64OrZero(${{min_seconds:sqlstring}})
    AND $__conditionalAll(if(Failed > 0, 'failed', 'ok') IN (${{outcome:singlequote}}), $outcome)
ORDER BY Began DESC
LIMIT 200""",
        (
            Column(
                "Trace",
                width=265,
                link=links.to(
                    "traces",
                    title="Show this trace below",
                    keep=(
                        "service",
                        "agent",
                        "model",
                        "tool",
                        "outcome",
                        "session",
                        "user",
                        "error",
                        "min_cost",
                        "min_seconds",
                    ),
                    trace=links.THIS,
                ),
            ),
            Column("Began", units.TIME, width=170),
            Column(
                "Session",
                width=190,
                link=links.to("session", title="Open the session", keep=(), session=links.THIS),
            ),
            Column(
                "Agent",
                link=links.to(
                    "agents", title="This agent", keep=("service", "model"), agent=links.THIS
                ),
            ),
            Column("Failed", steps=ANY_IS_BAD, width=80),
            Column("Calls", width=80),
            Column("Tokens", units.TOKENS, width=100),
            Column("Cost", units.USD, decimals=4, width=100),
            Column("Seconds", units.SECONDS, decimals=2, width=100),
        ),
        width=24,
        height=11,
        description="The newest 200 traces with model calls that match. Click a trace to see it below, "
        "a session to read it from its beginning. The arrow at a column's head sorts.",
        no_value=_FIND,
    ),
)

_ATTRIBUTES = "arrayMap(key -> map('key', key, 'value', {0}[key]), mapKeys({0}))"

_TRACE = (
    waterfall(
        "Waterfall",
        f"""WITH {_ID} AS id
SELECT TraceId AS traceID, SpanId AS spanID, ParentSpanId AS parentSpanID, ServiceName AS serviceName, SpanName AS operationName,
    multiply(toUnixTimestamp64Nano(Timestamp), 0.000001) AS startTime,
    multiply(Duration, 0.000001) AS duration,
    {_ATTRIBUTES.format("SpanAttributes")} AS tags,
    {_ATTRIBUTES.format("ResourceAttributes")} AS serviceTags,
    if(StatusCode IN ('Error', 'STATUS_CODE_ERROR'), 2, 0) AS statusCode,
    StatusMessage AS statusMessage,
    SpanKind AS kind,
    arrayMap((name, timestamp, attributes) -> tuple(name, toString(toUnixTimestamp64Milli(timestamp)), {_ATTRIBUTES.format("attributes")})::Tuple(name String, timestamp String, fields Array(Map(String, String))),
        Events.Name, Events.Timestamp, Events.Attributes) AS logs
FROM spans
WHERE TraceId = id
    AND Timestamp >= (SELECT min(Start) FROM spans_trace_id_ts WHERE TraceId = id)
    AND Timestamp <= (SELECT max(End) + 1 FROM spans_trace_id_ts WHERE TraceId = id)
ORDER BY startTime
LIMIT 1 BY spanID""",
        description="The spans of the chosen trace, as they lie within each other. A call or tool in red "
        "failed: its attributes say why.",
        no_value=_CLICK,
    ),
    table(
        "Errors of this trace",
        f"""SELECT ts AS Time, kind AS Kind, span_name AS Span, agent AS Agent, error_type AS Type, message AS Message, error_fingerprint AS Similar
FROM errors
WHERE {_THIS}
ORDER BY Time
LIMIT 100""",
        (
            Column("Time", units.TIME, width=155),
            Column("Kind", width=60),
            Column("Span", width=180),
            Column("Agent", width=90),
            Column("Type", width=125),
            Column("Message", wrap=True, width=220),
            Column(
                "Similar",
                link=links.to(
                    "errors", title="Errors like this one", keep=(), fingerprint=links.THIS
                ),
            ),
        ),
        width=14,
        height=9,
        description="What failed and what it said. Only the span in which a failure began has something "
        "under Similar; the others passed it on.",
        no_value="Nothing failed in this trace",
    ),
    table(
        "Decisions in this trace",
        f"""SELECT ts AS Time, event AS Event, rule AS Rule, message AS Message
FROM decisions
WHERE {_THIS}
ORDER BY Time
LIMIT 100""",
        (Column("Time", units.TIME, width=170), Column("Message", wrap=True, width=300)),
        width=10,
        height=9,
        description="What the guard decided in this trace, and the sentence that the agent got.",
        no_value="The guard had nothing to object to",
    ),
    logs(
        "Logs of this trace",
        f"""WITH {_ID} AS id
SELECT Timestamp AS timestamp, Body AS body, SeverityText AS level, LogAttributes AS labels
FROM logs
WHERE TraceId = id
    AND Timestamp >= (SELECT min(Start) - 60 FROM spans_trace_id_ts WHERE TraceId = id)
    AND Timestamp <= (SELECT max(End) + 60 FROM spans_trace_id_ts WHERE TraceId = id)
ORDER BY timestamp
LIMIT 500""",
        description="Log records that name the chosen trace, if the services send any.",
        no_value="No log record names this trace",
    ),
)

TRACES = Dashboard(
    "traces",
    "Spanledger: traces",
    "Find a trace by agent, model, tool, session, user, cost, error or duration, and read it.",
    (Row("", _SEARCH), Row("The chosen trace", _TRACE)),
    (*COMMON, TOOL, OUTCOME, *_TEXTS),
    (DEPLOYMENTS,),
    start="now-6h",
)
