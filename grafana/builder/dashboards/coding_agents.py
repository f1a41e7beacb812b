# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""Claude Code, Codex CLI and Gemini CLI, from what they tell about themselves."""

from grafana.builder import links, units
from grafana.builder.model import Choice, Dashboard, Row
from grafana.builder.panels import Column, lines, ranking, stat, table
from grafana.builder.sql import HOURS, Filter, chosen, over_time, points, usage

_NONE = "Nothing from a coding agent: docs/dashboards.md says how to switch its telemetry on"
_PRODUCTS = "('claude-code', 'codex', 'gemini-cli')"
_PRODUCT = chosen(product="agent")
_OURS = f"agent IN {_PRODUCTS} AND {_PRODUCT}"
#: Model calls of coding agents: their agent is the product.
_CALLS = Filter(_OURS, _OURS)
_EVENTS = f"$__timeFilter(ts) AND {chosen(product='product', user='user_id')}"
_WHO = f"{HOURS} AND {_OURS} AND {chosen(user='user_id')}"

#: Products are written as agents: claude-code.
_NAME = "replaceAll(product, '_', '-') AS product"
_RECORDS = f"(SELECT * EXCEPT (product), {_NAME} FROM coding_agent_events)"
_METRICS = f"(SELECT * EXCEPT (product), {_NAME} FROM coding_agent_metrics)"

_VARIABLES = (
    Choice(
        "product",
        "Product",
        f"SELECT product FROM {_RECORDS} WHERE $__timeFilter(ts) GROUP BY product ORDER BY count() DESC LIMIT 10",
    ),
    Choice(
        "user",
        "User",
        f"SELECT user_id FROM {_RECORDS} WHERE $__timeFilter(ts) AND user_id != '' AND {chosen(product='product')} "
        "GROUP BY user_id ORDER BY count() DESC LIMIT 500",
    ),
)


def _metric(metric: str) -> str:
    return (
        f"SELECT sum(value) AS value FROM {_METRICS} "
        f"WHERE metric = '{metric}' AND {_EVENTS} HAVING count() > 0"
    )


_HEADLINES = (
    stat(
        "Cost",
        f"SELECT toFloat64(sum(cost_usd)) AS cost FROM session_hours WHERE {_WHO} HAVING count() > 0",
        unit=units.USD,
        description="Cost of all their model calls in sessions: Claude Code says it itself, the others are priced by "
        "our price list. Subscriptions don't bill by call: then it is what the same would cost.",
        no_value=_NONE,
    ),
    stat(
        "Sessions",
        f"SELECT uniqIf(session_id, session_id != '') AS sessions FROM {_RECORDS} WHERE {_EVENTS} HAVING count() > 0",
        unit=units.COUNT,
        description="Sessions that did anything in this time range (within about 1 %).",
        no_value=_NONE,
    ),
    stat(
        "People",
        f"SELECT uniqIf(user_id, user_id != '') AS people FROM {_RECORDS} WHERE {_EVENTS} HAVING count() > 0",
        unit=units.COUNT,
        description="Users that the agents named. Products that name none count as nobody.",
        no_value=_NONE,
    ),
    stat(
        "Prompts",
        f"SELECT countIf(event = 'prompt') AS prompts FROM {_RECORDS} WHERE {_EVENTS} HAVING count() > 0",
        unit=units.COUNT,
        description="How often somebody asked for something.",
        no_value=_NONE,
    ),
    stat(
        "Lines changed",
        _metric("claude_code.lines_of_code.count"),
        unit=units.COUNT,
        description="Lines added and removed, by Claude Code's own metric; the others have none.",
        no_value="No metrics of Claude Code",
    ),
    stat(
        "Commits",
        _metric("claude_code.commit.count"),
        unit=units.COUNT,
        description="Commits that Claude Code made, by its own metric; the others have none.",
        no_value="No metrics of Claude Code",
    ),
)

_MONEY = (
    lines(
        "Spend by product",
        over_time("sum(cost_usd)", "agent", "cost", _CALLS),
        unit=units.USD,
        bars=True,
        stacked=True,
        width=12,
        description="Cost in each interval, by product. It is added up from single requests: their "
        "cumulative counters run together where sessions share a series.",
        no_value=_NONE,
        link=links.to("traces", title="Their calls", keep=(), agent=links.SERIES),
    ),
    lines(
        "Tokens by class",
        f"""SELECT $__timeInterval(t) AS time,
    toFloat64(sum(input_tokens) - sum(cache_read_tokens) - sum(cache_write_tokens)) AS `Input`,
    toFloat64(sum(cache_read_tokens)) AS `Read from cache`,
    toFloat64(sum(cache_write_tokens)) AS `Written to cache`,
    toFloat64(sum(output_tokens)) AS `Output`
FROM {points(_CALLS)}
GROUP BY time
ORDER BY time""",
        unit=units.TOKENS,
        bars=True,
        stacked=True,
        width=12,
        by_column=True,
        description="Reading from the cache should be by far the most. Much fresh input: short sessions, "
        "or instructions that change all the time.",
        no_value=_NONE,
    ),
    ranking(
        "By model",
        f"""SELECT model AS name, toFloat64(sum(cost_usd)) AS cost
FROM {usage(filter_by=_CALLS)}
GROUP BY model
HAVING cost > 0
ORDER BY cost DESC
LIMIT 12""",
        unit=units.USD,
        width=8,
        description="Cost by model. A dear model for small changes is the first thing to look at.",
        no_value=_NONE,
    ),
    ranking(
        "By person",
        f"""SELECT if(user_id = '', '(not told)', user_id) AS name, toFloat64(sum(cost_usd)) AS cost
FROM session_hours
WHERE {_WHO}
GROUP BY user_id
HAVING cost > 0
ORDER BY cost DESC
LIMIT 12""",
        unit=units.USD,
        width=8,
        description="Cost by user. Give this dashboard to those who may see numbers of persons.",
        no_value=_NONE,
    ),
    ranking(
        "By version",
        f"""SELECT concat(product, ' ', version) AS name, toFloat64(uniqIf(session_id, session_id != '')) AS sessions
FROM {_RECORDS}
WHERE {_EVENTS} AND version != ''
GROUP BY product, version
ORDER BY sessions DESC
LIMIT 12""",
        unit=units.COUNT,
        width=8,
        description="Sessions by version of the product: who should update.",
        no_value=_NONE,
    ),
)

_WORK = (
    table(
        "Tools",
        f"""SELECT tool AS Tool, any(product) AS Product, countIf(event = 'tool') AS Uses,
    if(countIf(isNotNull(success)) = 0, NULL, countIf(success = 0) / countIf(isNotNull(success))) AS Failed,
    quantileIf(0.5)(duration_ms, isNotNull(duration_ms)) / 1000 AS Median,
    countIf(event = 'tool_decision' AND match(decision, '^(reject|denied|abort)')) AS Rejected
FROM {_RECORDS}
WHERE {_EVENTS} AND event IN ('tool', 'tool_decision') AND tool != ''
GROUP BY tool
ORDER BY Uses DESC
LIMIT 100""",
        (
            Column("Uses", units.COUNT),
            Column("Failed", units.RATIO, decimals=1, steps=((None, "text"), (0.2, "orange"))),
            Column("Median", units.SECONDS),
        ),
        width=12,
        height=10,
        description="Tools of the agents: how often, how often in vain, and how often a person said no. A "
        "tool that is always allowed can be allowed for good in the product's settings.",
        no_value=_NONE,
    ),
    lines(
        "Activity",
        f"""SELECT $__timeInterval(ts) AS time, toString(event) AS series, toFloat64(count()) AS events
FROM {_RECORDS}
WHERE {_EVENTS}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        bars=True,
        stacked=True,
        width=12,
        height=10,
        description="Prompts, model calls, tools and decisions of people over time.",
        no_value=_NONE,
    ),
    table(
        "Dearest sessions",
        f"""SELECT session_id AS Session, any(agent) AS Product, any(user_id) AS User, min(first_ts) AS Began, max(last_ts) AS `Last call`,
    sum(calls) AS Calls, sum(toFloat64(cost_usd)) AS Cost
FROM session_hours
WHERE {_WHO}
GROUP BY session_id
ORDER BY Cost DESC
LIMIT 50""",
        (
            Column(
                "Session",
                link=links.to("session", title="Open the session", keep=(), session=links.THIS),
            ),
            Column("Began", units.TIME, width=155),
            Column("Last call", units.SINCE),
            Column("Calls", units.COUNT, width=70),
            Column("Cost", units.USD, bar=True, decimals=4, width=190),
        ),
        width=14,
        height=10,
        description="Sessions by cost. Click one to see its calls.",
        no_value=_NONE,
    ),
    table(
        "Failed requests",
        f"""SELECT ts AS Time, product AS Product, model AS Model, error AS Error, session_id AS Session
FROM {_RECORDS}
WHERE {_EVENTS} AND event = 'call_failed'
ORDER BY ts DESC
LIMIT 100""",
        (
            Column("Time", units.TIME, width=155),
            Column("Model", width=150),
            Column("Error", wrap=True),
            Column(
                "Session",
                link=links.to("session", title="Open the session", keep=(), session=links.THIS),
            ),
        ),
        width=10,
        height=10,
        description="Requests that the provider refused or that did not come back. Many 429: share a "
        "higher limit, or spread the work.",
        no_value="No request failed",
    ),
)

CODING_AGENTS = Dashboard(
    "coding-agents",
    "Spanledger: coding agents",
    "Claude Code, Codex CLI and Gemini CLI: what they cost, who uses them, how they fare.",
    (Row("", _HEADLINES), Row("Cost", _MONEY), Row("Work", _WORK)),
    _VARIABLES,
    start="now-7d",
)
