# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""Who calls whom, how tools fare, and what the guard had to say."""

from grafana.builder import links, units
from grafana.builder.model import Dashboard, Row
from grafana.builder.panels import Column, flow, lines, stat, table
from grafana.builder.shared import COMMON, DEPLOYMENTS, ERROR_STEPS, TOOL, TRIPS
from grafana.builder.sql import (
    END,
    HOUR_S,
    HOURS,
    LAST_DAY,
    LAST_DAY_FROM,
    choices,
    chosen,
    events,
    over_time,
    quantile,
    usage,
)

_NO_RUNS = "No agent runs: spans with `gen_ai.operation.name = invoke_agent`, or `track.agent`"
_NO_TOOLS = "No tool calls: spans with `gen_ai.operation.name = execute_tool`, or `track.tool`"
_WHO = chosen(service="service", agent="agent")
_TOOL = chosen(service="service", agent="agent", tool="tool")
_CALLS = choices("service", "agent")

_HEADLINES = (
    stat(
        "Agent runs",
        f"SELECT sum(runs) AS started FROM runs_usage WHERE {HOURS} AND {_WHO} HAVING started > 0",
        unit=units.COUNT,
        description="How often an agent was started, sub-agents included.",
        no_value=_NO_RUNS,
    ),
    stat(
        "Failed runs",
        f"SELECT sum(failed_runs) / sum(runs) AS failed FROM runs_usage WHERE {HOURS} AND {_WHO} HAVING sum(runs) > 0",
        unit=units.RATIO,
        steps=ERROR_STEPS,
        description="Share of runs that ended in an error, in the hours that the time range touches.",
        no_value=_NO_RUNS,
        link=links.to("errors", title="What fails"),
    ),
    stat(
        "Tool calls",
        f"SELECT sum(calls) AS used FROM tools_usage WHERE {HOURS} AND {_TOOL} HAVING used > 0",
        unit=units.COUNT,
        description="How often agents used a tool, in the hours that the time range touches.",
        no_value=_NO_TOOLS,
    ),
    stat(
        "Failed tool calls",
        f"SELECT sum(failed_calls) / sum(calls) AS failed FROM tools_usage WHERE {HOURS} AND {_TOOL} HAVING sum(calls) > 0",
        unit=units.RATIO,
        steps=ERROR_STEPS,
        description="Share of tool calls that failed. Models work around failing tools, at a price.",
        no_value=_NO_TOOLS,
    ),
    stat(
        "Calls per run",
        f"SELECT sum(subtree_calls) / sum(counted_runs) AS calls FROM runs_usage WHERE {HOURS} AND {_WHO} HAVING sum(counted_runs) > 0",
        unit=units.COUNT,
        decimals=1,
        description="Model calls below one run, on average: the fan-out. A jump without a release is "
        "an agent that goes in circles.",
        no_value="No runs of instrumented agents",
    ),
    stat(
        "Loops seen",
        f"SELECT count() AS loops FROM decisions WHERE $__timeFilter(ts) "
        f"AND (event = 'loop' OR reason = 'loop_detected') AND {_WHO}",
        unit=units.COUNT,
        steps=((None, "text"), (1, "red")),
        description="Times that an agent repeated itself, by the rules for loops. Open the session "
        "below to see what it repeats.",
        no_value="0",
    ),
)

_AGENTS = (
    table(
        "Agents",
        f"""WITH sumMap(duration_histogram) AS histogram
SELECT agent AS Agent, sum(runs) AS Runs, sum(failed_runs) / Runs AS Failed,
    {quantile(0.5, "histogram")} AS Median, {quantile(0.95, "histogram")} AS p95,
    sum(subtree_calls) / nullIf(sum(counted_runs), 0) AS `Calls per run`,
    toFloat64(sum(subtree_cost_usd)) / nullIf(sum(counted_runs), 0) AS `Cost per run`, toFloat64(sum(subtree_cost_usd)) AS Cost
FROM runs_usage
WHERE {HOURS} AND {_WHO}
GROUP BY agent
ORDER BY Cost DESC
LIMIT 100""",
        (
            Column(
                "Agent",
                link=links.to(
                    "traces",
                    title="Traces of this agent",
                    keep=("service", "model"),
                    agent=links.THIS,
                ),
            ),
            Column("Failed", units.RATIO, steps=ERROR_STEPS, decimals=1),
            Column("Median", units.SECONDS),
            Column("p95", units.SECONDS),
            Column("Calls per run", decimals=1),
            Column("Cost per run", units.USD, decimals=4),
            Column("Cost", units.USD, bar=True, width=150),
        ),
        width=14,
        height=10,
        description="Every agent with its runs. Cost includes everything below a run, so a "
        "sub-agent's cost is also in that of its caller.",
        no_value=_NO_RUNS,
    ),
    lines(
        "Calls by agent",
        over_time("sum(calls)", "agent", "calls", _CALLS),
        unit=units.COUNT,
        bars=True,
        stacked=True,
        width=10,
        height=10,
        description="Model calls of each agent. One that grows while the others don't may go in circles.",
        no_value="No calls in this time range",
    ),
    flow(
        "Who calls whom",
        f"""WITH
    models AS (
        SELECT agent, model, sum(calls) AS calls, sum(cost_usd) AS cost FROM {usage(LAST_DAY_FROM, END, _CALLS)} GROUP BY agent, model
    ),
    used AS (SELECT agent, tool, count() AS calls, countIf(status = 'Error') AS failed FROM tools WHERE {LAST_DAY} AND {_WHO} GROUP BY agent, tool ORDER BY calls DESC LIMIT 100)
SELECT concat('agent:', agent) AS id, if(agent = '', '(no agent)', agent) AS title, 'agent' AS subtitle,
    toFloat64(sum(cost)) AS mainstat, toFloat64(1) AS arc__ok, toFloat64(0) AS arc__failed
FROM models GROUP BY agent
UNION ALL
SELECT concat('model:', model), model, 'model', toFloat64(sum(cost)), toFloat64(1), toFloat64(0) FROM models GROUP BY model
UNION ALL
SELECT concat('tool:', tool), tool, 'tool', NULL, 1 - sum(failed) / sum(calls), sum(failed) / sum(calls) FROM used GROUP BY tool""",
        f"""WITH runs AS (
    SELECT span_id, parent_span_id, agent FROM agent_runs WHERE {LAST_DAY} AND {_WHO}
)
SELECT concat(source, '>', target) AS id, source, target, toFloat64(n) AS mainstat
FROM (
    SELECT concat('agent:', agent) AS source, concat('model:', model) AS target, sum(calls) AS n FROM {usage(LAST_DAY_FROM, END, _CALLS)} GROUP BY source, target
    UNION ALL
    SELECT concat('agent:', agent), concat('tool:', tool), count() AS n FROM tools WHERE {LAST_DAY} AND {_WHO} GROUP BY agent, tool ORDER BY n DESC LIMIT 100
    UNION ALL
    SELECT concat('agent:', p.agent), concat('agent:', c.agent), count()
    FROM runs AS c INNER JOIN runs AS p ON p.span_id = c.parent_span_id WHERE p.agent != c.agent GROUP BY p.agent, c.agent
    UNION ALL
    SELECT concat('tool:', t.tool), concat('agent:', c.agent), count()
    FROM runs AS c INNER JOIN (SELECT span_id, tool FROM tools WHERE {LAST_DAY} AND {_WHO}) AS t ON t.span_id = c.parent_span_id GROUP BY t.tool, c.agent
)
ORDER BY mainstat DESC
LIMIT 300""",
        description="Agents, the tools and models that they call, and agents started by them, in the "
        "last day of the time range. Numbers on lines are calls, in circles US dollars; red is "
        "the share that failed.",
        no_value=_NO_RUNS,
        width=14,
    ),
    table(
        "Depth and fan-out",
        f"""WITH runs AS (SELECT span_id, parent_span_id, trace_id, agent, subtree_calls FROM agent_runs WHERE {LAST_DAY} AND {_WHO})
SELECT agent AS Agent, count() AS Runs,
    avg(per_trace.runs) AS `Runs in a trace`, max(per_trace.runs) AS `Most`,
    quantileTDigest(0.95)(subtree_calls) AS `Calls (p95)`, max(subtree_calls) AS `Most calls`
FROM runs
INNER JOIN (SELECT trace_id, count() AS runs FROM runs GROUP BY trace_id) AS per_trace ON per_trace.trace_id = runs.trace_id
GROUP BY agent
ORDER BY `Most calls` DESC
LIMIT 50""",
        (Column("Runs in a trace", decimals=1), Column("Calls (p95)", decimals=0)),
        width=10,
        height=14,
        description="How many agents work in one trace, and how many model calls one run leads to, in "
        "the last day of the time range. Sub-agent fan-out shows up here first.",
        no_value=_NO_RUNS,
    ),
)

_TOOLS = (
    table(
        "Tools",
        f"""WITH sumMap(duration_histogram) AS histogram
SELECT tool AS Tool, sum(calls) AS Calls, sum(failed_calls) / Calls AS Failed,
    {quantile(0.5, "histogram")} AS Median, {quantile(0.95, "histogram")} AS p95,
    any(last_error) AS `Last error`
FROM tools_usage
LEFT JOIN (
    SELECT tool, argMax(error_type, ts) AS last_error FROM errors WHERE $__timeFilter(ts) AND kind = 'tool' AND {_TOOL} GROUP BY tool
) AS failures USING (tool)
WHERE {HOURS} AND {_TOOL}
GROUP BY tool
ORDER BY Calls DESC
LIMIT 200""",
        (
            Column(
                "Tool",
                link=links.to(
                    "errors",
                    title="Errors of this tool",
                    keep=("service", "agent"),
                    tool=links.THIS,
                ),
            ),
            Column("Calls", units.COUNT),
            Column("Failed", units.RATIO, steps=ERROR_STEPS, decimals=1),
            Column("Median", units.SECONDS),
            Column("p95", units.SECONDS),
        ),
        width=12,
        height=10,
        description="Every tool: how often, how reliably, how fast. Click one for its errors.",
        no_value=_NO_TOOLS,
    ),
    lines(
        "Failing tools",
        f"""WITH top AS (SELECT tool FROM tools_usage WHERE {HOURS} AND {_TOOL} GROUP BY tool HAVING sum(failed_calls) > 0 ORDER BY sum(failed_calls) DESC LIMIT 10)
SELECT $__timeInterval(t) AS time, toString(tool) AS series, sum(failed_calls) / sum(calls) AS failed
FROM (
    SELECT hour AS t, tool, calls, failed_calls FROM tools_usage WHERE $__interval_s >= {HOUR_S} AND {HOURS} AND {_TOOL}
    UNION ALL
    SELECT toDateTime(ts, 'UTC') AS t, tool, toUInt64(1) AS calls, toUInt64(status = 'Error') AS failed_calls
    FROM tools WHERE $__interval_s < {HOUR_S} AND $__timeFilter(ts) AND {_TOOL}
)
WHERE tool IN (SELECT tool FROM top)
GROUP BY time, series
ORDER BY time, series""",
        unit=units.RATIO,
        width=12,
        height=10,
        description="Share of each tool's calls that failed; the ten with most failures.",
        no_value="No tool failed",
        link=links.to(
            "errors", title="Errors of this tool", keep=("service", "agent"), tool=links.SERIES
        ),
    ),
)

_GUARD = (
    lines(
        "Guard events",
        f"""SELECT $__timeInterval(ts) AS time, reason AS series, toFloat64(count()) AS events
FROM decisions
WHERE $__timeFilter(ts) AND {events()}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        bars=True,
        stacked=True,
        width=12,
        description="What the guard decided beyond letting calls through, by reason.",
        no_value="The guard had nothing to object to",
    ),
    table(
        "Provider breakers",
        """SELECT scope AS Target, rule AS Rule,
    multiIf(last IN ('tripped', 'probe_failed', 'force_open'), 'open', last = 'open_time_over', 'half open', 'closed') AS State,
    at AS Since, trips AS Trips
FROM (
    SELECT scope, rule, argMax(reason, ts) AS last, max(ts) AS at, countIf(reason = 'tripped') AS trips
    FROM decisions
    WHERE event = 'breaker' AND ts >= $__fromTime - INTERVAL 1 DAY AND ts <= $__toTime AND $__conditionalAll(service IN (${service:singlequote}), $service)
    GROUP BY scope, rule
)
ORDER BY State DESC, Since DESC
LIMIT 50""",
        (Column("Since", units.SINCE),),
        width=12,
        description="Providers and models whose breaker opened. While one is open, calls to it are "
        "refused at once and fallbacks take over.",
        no_value="No breaker opened",
    ),
    table(
        "Refusals, loops and retries",
        f"""SELECT ts AS Time, event AS Event, agent AS Agent, message AS Message, rule AS Rule, reason AS Reason,
    session_id AS Session, trace_id AS Trace
FROM decisions
WHERE $__timeFilter(ts) AND {events()}
ORDER BY ts DESC
LIMIT 200""",
        (
            Column("Time", units.TIME, width=155),
            Column("Event", width=75),
            Column("Agent", width=90),
            Column("Message", wrap=True, width=290),
            Column("Rule", width=80),
            Column("Reason", width=140),
            Column(
                "Session",
                link=links.to("session", title="Open the session", keep=(), session=links.THIS),
            ),
            Column(
                "Trace", link=links.to("traces", title="Open the trace", keep=(), trace=links.THIS)
            ),
        ),
        width=16,
        height=10,
        description="The newest decisions of the guard, each with the sentence that the agent got.",
        no_value="The guard had nothing to object to",
    ),
    lines(
        "Retries",
        f"""SELECT $__timeInterval(ts) AS time, provider AS series, toFloat64(countIf(billing = 'attempt')) / count() AS retried
FROM calls
WHERE {LAST_DAY} AND {_CALLS.rows}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.RATIO,
        width=8,
        height=10,
        description="Share of attempts that failed and were followed by another, in the last day of the "
        "time range. A provider in "
        "trouble shows here before it shows in errors.",
        no_value="No calls in this time range",
    ),
)

AGENTS = Dashboard(
    "agents",
    "Spanledger: agents & tools",
    "What agents do: runs, tools, who calls whom, and what the guard stopped.",
    (
        Row("", _HEADLINES),
        Row("Agents", _AGENTS),
        Row("Tools", _TOOLS),
        Row("Guard", _GUARD),
    ),
    (*COMMON, TOOL),
    (DEPLOYMENTS, TRIPS),
)
