# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""One conversation from its first action to its last."""

from grafana.builder import links, units
from grafana.builder.model import Dashboard, Row, Text
from grafana.builder.panels import ANY_IS_BAD, Column, lines, stat, table

_THIS = "session_id = ${session:sqlstring}"
_PICK = "Pick a session: click one in Overview, or paste its id above"
_NOTHING = "No rows for this session in this time range"

_HEADLINES = (
    stat(
        "Cost",
        f"SELECT toFloat64(sum(cost_usd)) AS cost FROM calls WHERE {_THIS} HAVING count() > 0",
        unit=units.USD,
        decimals=4,
        description="What all model calls of this session cost, whatever the time range. Calls without "
        "a price are not in it.",
        no_value=_PICK,
    ),
    stat(
        "Model calls",
        f"SELECT count() AS calls FROM calls WHERE {_THIS} HAVING calls > 0",
        unit=units.COUNT,
        description="Requests to providers, each attempt by itself. Many more than tool calls: the "
        "agent talks to itself; look at the table below for repeats.",
        no_value=_PICK,
    ),
    stat(
        "Tokens",
        f"SELECT sum(toUInt64(ifNull(input_tokens, 0)) + ifNull(output_tokens, 0)) AS tokens FROM calls WHERE {_THIS} HAVING count() > 0",
        unit=units.TOKENS,
        description="Input and output tokens. When most are input, the context grows with each turn: "
        "see Context below.",
        no_value=_PICK,
    ),
    stat(
        "Tool calls",
        f"SELECT count() AS calls FROM tools WHERE {_THIS} HAVING calls > 0",
        unit=units.COUNT,
        description="How often agents of this session used a tool.",
        no_value="No tool was used",
    ),
    stat(
        "Failures",
        f"""SELECT countIf(error_fingerprint != '' OR error_id = '') AS failures
FROM errors WHERE {_THIS}""",
        unit=units.COUNT,
        steps=ANY_IS_BAD,
        description="Failures, each counted where it began. They stand below with their sentence.",
        no_value="None",
    ),
    stat(
        "Lasted",
        f"""SELECT dateDiff('millisecond', min(ts), max(ts + toIntervalMicrosecond(duration_us))) / 1000 AS lasted
FROM (SELECT ts, duration_us FROM calls WHERE {_THIS} UNION ALL SELECT ts, duration_us FROM agent_runs WHERE {_THIS})
HAVING count() > 0""",
        unit=units.SECONDS,
        decimals=1,
        description="From the beginning of the first action to the end of the last, pauses included.",
        no_value=_PICK,
    ),
)

#: What happened, one row an action; the name of the action around it says how it came to it.
_ACTIONS = f"""SELECT ts, 'run' AS kind, agent AS name, agent, span_id, parent_span_id, trace_id, duration_s, NULL AS input, NULL AS output,
        toFloat64(NULL) AS cost, status, error_type
    FROM agent_runs WHERE {_THIS}
    UNION ALL
    SELECT ts, 'call', if(request_model != '', request_model, response_model), agent, span_id, parent_span_id, trace_id, duration_s, input_tokens, output_tokens,
        toFloat64(cost_usd), status, error_type
    FROM calls WHERE {_THIS}
    UNION ALL
    SELECT ts, 'tool', tool, agent, span_id, parent_span_id, trace_id, duration_s, NULL, NULL,
        toFloat64(NULL), status, error_type
    FROM tools WHERE {_THIS}
    UNION ALL
    SELECT ts, event, reason, agent, '', span_id, trace_id, toFloat64(0), NULL, NULL, toFloat64(NULL), decision, ''
    FROM decisions WHERE {_THIS}"""

_COURSE = (
    lines(
        "Cost so far",
        f"""SELECT ts AS time, 'cost' AS series, sum(cost) OVER (ORDER BY ts, span_id) AS so_far
FROM (SELECT ts, span_id, toFloat64(ifNull(cost_usd, 0)) AS cost FROM calls WHERE {_THIS})
WHERE $__timeFilter(ts)
ORDER BY time""",
        unit=units.USD,
        decimals=4,
        width=8,
        description="The running sum of cost from the first call on. A curve that gets steeper is a "
        "context that grows; a step is a single dear call.",
        no_value=_NOTHING,
    ),
    lines(
        "Context",
        f"""SELECT ts AS time, if(agent = '', '(no agent)', agent) AS series, toFloat64(ifNull(input_tokens, 0)) AS tokens
FROM calls
WHERE {_THIS} AND $__timeFilter(ts)
ORDER BY time, series""",
        unit=units.TOKENS,
        width=8,
        custom={"showPoints": "always", "lineWidth": 1},
        description="Input tokens of each call, by agent: how the context grows. A fall is a context "
        "that was compacted or started anew.",
        no_value=_NOTHING,
    ),
    lines(
        "Timeline",
        f"""SELECT ts AS time, concat(kind, ' ', name) AS series, toFloat64(duration_s) AS took
FROM ({_ACTIONS})
WHERE $__timeFilter(ts)
ORDER BY time, series
LIMIT 5000""",
        unit=units.SECONDS,
        width=8,
        custom={"drawStyle": "points", "pointSize": 7, "showPoints": "always"},
        description="Every action as a point: when it began and how long it took. A row of equal "
        "points close together is a loop.",
        no_value=_NOTHING,
    ),
    table(
        "From the first action to the last",
        f"""WITH actions AS ({_ACTIONS})
SELECT a.ts AS Time, a.kind AS What, a.name AS Name, p.name AS Within, a.agent AS Agent, a.duration_s AS Seconds,
    a.input AS Input, a.output AS Output, a.cost AS Cost,
    sum(ifNull(a.cost, 0)) OVER (ORDER BY a.ts, a.span_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS `Cost so far`,
    multiIf(a.error_type != '', a.error_type, a.status IN ('Unset', 'Ok'), 'ok', a.status) AS Outcome, a.trace_id AS Trace
FROM actions AS a
LEFT JOIN (
    SELECT span_id, concat('run ', agent) AS name FROM agent_runs WHERE {_THIS}
    UNION ALL
    SELECT span_id, concat('tool ', tool) FROM tools WHERE {_THIS}
) AS p ON p.span_id = a.parent_span_id
ORDER BY Time
LIMIT 2000""",
        (
            Column("Time", units.TIME, width=170),
            Column("What", width=80),
            Column("Name", width=150),
            Column("Seconds", units.SECONDS, decimals=2),
            Column("Input", units.TOKENS),
            Column("Output", units.TOKENS),
            Column("Cost", units.USD, decimals=5),
            Column("Cost so far", units.USD, decimals=4),
            Column(
                "Trace", link=links.to("traces", title="Open the trace", keep=(), trace=links.THIS)
            ),
        ),
        width=24,
        height=16,
        description="The whole session, whatever the time range: runs of agents, model calls, tools and "
        "decisions of the guard, each with what it happened within. Click a trace for its waterfall.",
        no_value=_PICK,
    ),
)

_TROUBLE = (
    table(
        "Errors of this session",
        f"""SELECT ts AS Time, kind AS Kind, if(tool != '', tool, if(model != '', model, span_name)) AS Name, agent AS Agent,
    error_type AS Type, message AS Message, error_fingerprint AS Similar, trace_id AS Trace
FROM errors
WHERE {_THIS} AND (error_fingerprint != '' OR error_id = '')
ORDER BY Time
LIMIT 200""",
        (
            Column("Time", units.TIME, width=155),
            Column("Kind", width=60),
            Column("Name", width=120),
            Column("Agent", width=90),
            Column("Type", width=125),
            Column("Message", wrap=True, width=230),
            Column(
                "Similar",
                link=links.to(
                    "errors", title="Errors like this one", keep=(), fingerprint=links.THIS
                ),
            ),
            Column(
                "Trace", link=links.to("traces", title="Open the trace", keep=(), trace=links.THIS)
            ),
        ),
        width=14,
        height=9,
        description="What failed and what it said, each failure once. Similar leads to the same failure "
        "in other sessions.",
        no_value="Nothing failed in this session",
    ),
    table(
        "What the guard said",
        f"""SELECT ts AS Time, event AS Event, rule AS Rule, message AS Message
FROM decisions
WHERE {_THIS}
ORDER BY Time
LIMIT 200""",
        (Column("Time", units.TIME, width=170), Column("Message", wrap=True, width=300)),
        width=10,
        height=9,
        description="Refusals, waits and loops of this session, with the sentence that the agent got.",
        no_value="The guard had nothing to object to",
    ),
    table(
        "Traces of this session",
        f"""SELECT trace_id AS Trace, min(ts) AS Began, any(agent) AS Agent, count() AS Calls,
    countIf(status = 'Error') AS Failed, toFloat64(sum(cost_usd)) AS Cost
FROM calls
WHERE {_THIS}
GROUP BY trace_id
ORDER BY Began
LIMIT 200""",
        (
            Column(
                "Trace", link=links.to("traces", title="Open the trace", keep=(), trace=links.THIS)
            ),
            Column("Began", units.TIME),
            Column("Failed", steps=ANY_IS_BAD),
            Column("Cost", units.USD, bar=True, decimals=4),
        ),
        width=24,
        description="One row for each trace, usually a turn of the conversation.",
        no_value=_PICK,
    ),
)

_WORDS = (
    table(
        "What was said",
        f"""SELECT ts AS Time, kind AS Kind, substringUTF8(content, 1, 2000) AS Text, trace_id AS Trace
FROM content
WHERE trace_id IN (SELECT trace_id FROM calls WHERE {_THIS} UNION DISTINCT SELECT trace_id FROM agent_runs WHERE {_THIS})
ORDER BY Time
LIMIT 200""",
        (
            Column("Time", units.TIME, width=170),
            Column("Kind", width=220),
            Column("Text", wrap=True),
            Column(
                "Trace",
                link=links.to("traces", title="Open the trace", keep=(), trace=links.THIS),
                width=260,
            ),
        ),
        width=24,
        height=14,
        description="Messages, arguments and results, if the agents send them (`content` is off by "
        "default) and people who open this dashboard may read them.",
        no_value="No content was sent: it is off by default",
    ),
)

SESSION = Dashboard(
    "session",
    "Spanledger: session",
    "One conversation from its first action to its last.",
    (
        Row("", _HEADLINES),
        Row("Course", _COURSE),
        Row("Trouble", _TROUBLE),
        Row("Words", _WORDS, collapsed=True),
    ),
    (Text("session", "Session", "The id of a session (`gen_ai.conversation.id`)"),),
    start="now-24h",
)
