# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""What burns, and where to click."""

from grafana.builder import links, units
from grafana.builder.model import Dashboard, Row
from grafana.builder.panels import Column, lines, ranking, stat, table
from grafana.builder.shared import (
    COMMON,
    DEPLOYMENTS,
    ERROR_STEPS,
    TRIPS,
    budgets,
    last_event,
)
from grafana.builder.sql import (
    BEFORE,
    END,
    START,
    change,
    events,
    over_time,
    ranked,
    sessions,
    two_windows,
)

_NO_CALLS = "No calls in this time range. Is the agent sending? `spanledger doctor`"
_REFUSED = f"decision = 'refused' AND {events()}"


def _sessions(start: str, end: str) -> str:
    return f"uniq(session_id) AS sessions FROM {sessions(start, end)}"


_HEADLINES = (
    stat(
        "Spend",
        change("sum(cost_usd)"),
        unit=units.USD,
        change=True,
        description="What all model calls of this time range cost, and the change against the same "
        "time before it. Calls without a price are not in it: see Unpriced calls.",
        no_value=_NO_CALLS,
        link=links.to("cost", title="Where it went"),
    ),
    stat(
        "Tokens",
        change("sum(input_tokens + output_tokens)"),
        unit=units.TOKENS,
        change=True,
        description="Input and output tokens, those read from a cache and those of reasoning "
        "included. Rising faster than calls: prompts grow, look at tokens by class.",
        no_value=_NO_CALLS,
        link=links.to("cost", title="Tokens by class"),
    ),
    stat(
        "Calls",
        change("sum(calls)"),
        unit=units.COUNT,
        change=True,
        more_is_bad=False,
        description="Requests that were sent to a provider, each attempt by itself.",
        no_value=_NO_CALLS,
        link=links.to("traces", title="Look at them"),
    ),
    stat(
        "Sessions",
        two_windows(
            f"SELECT {BEFORE} AS time, nullIf(toFloat64(sessions), 0) AS sessions FROM (SELECT {_sessions(BEFORE, START)})",
            f"SELECT {END} AS time, toFloat64(sessions) AS sessions FROM (SELECT {_sessions(START, END)})",
        ),
        unit=units.COUNT,
        change=True,
        more_is_bad=False,
        description="Conversations or runs that called a model at least once, in the hours that the time "
        "range touches (within about 1 %).",
        no_value=_NO_CALLS,
    ),
    stat(
        "Error rate",
        change("if(sum(calls) = 0, 0, sum(failed_calls) / sum(calls))"),
        unit=units.RATIO,
        change=True,
        steps=ERROR_STEPS,
        description="Share of model calls that failed. From 1 % on look at what fails, from 5 % on "
        "users notice.",
        no_value=_NO_CALLS,
        link=links.to("errors", title="What fails"),
    ),
    stat(
        "Refused calls",
        two_windows(
            f"SELECT {BEFORE} AS time, nullIf(toFloat64(count()), 0) AS refused FROM decisions WHERE ts >= {BEFORE} AND ts < {START} AND {_REFUSED}",
            f"SELECT {END} AS time, toFloat64(count()) AS refused FROM decisions WHERE ts >= {START} AND ts < {END} AND {_REFUSED}",
        ),
        unit=units.COUNT,
        change=True,
        description="Calls that the guard did not let through: a budget, a rate, an open breaker, a "
        "loop. Not a failure, but somebody waits for an answer: see by which rule.",
        no_value="No decisions of the guard",
        link=links.to("agents", title="Guard events"),
    ),
)

_SPENDING = (
    lines(
        "Spend by model",
        over_time("sum(cost_usd)", "model", "cost"),
        unit=units.USD,
        bars=True,
        stacked=True,
        width=16,
        height=9,
        description="What each model cost in each interval; beyond ten models the rest is `other`. A "
        "bar that stands out: click its colour, then look who called.",
        no_value=_NO_CALLS,
        link=links.to(
            "traces", title="Calls of this model", keep=("service", "agent"), model=links.SERIES
        ),
    ),
    budgets(8, 9),
    lines(
        "Spend by agent",
        over_time("sum(cost_usd)", "agent", "cost"),
        unit=units.USD,
        bars=True,
        stacked=True,
        width=12,
        description="The same by agent. One agent that grows while the others don't is the usual "
        "runaway: click it.",
        no_value=_NO_CALLS,
        link=links.to("agents", title="This agent", keep=("service", "model"), agent=links.SERIES),
    ),
    ranking(
        "Top agents",
        ranked("sum(cost_usd)", "agent", "cost"),
        unit=units.USD,
        width=6,
        description="The agents that cost most in this time range.",
        no_value=_NO_CALLS,
    ),
    ranking(
        "Top models",
        ranked("sum(cost_usd)", "model", "cost"),
        unit=units.USD,
        width=6,
        description="The models that cost most in this time range.",
        no_value=_NO_CALLS,
    ),
)

_SESSIONS_AND_PIPELINE = (
    table(
        "Top sessions",
        f"""SELECT session_id AS Session, any(agent) AS Agent, any(user_id) AS User, max(last_ts) AS `Last call`,
    sum(calls) AS Calls, sum(failed_calls) AS Failed, sum(toFloat64(cost_usd)) AS Cost
FROM {sessions()}
GROUP BY session_id
ORDER BY Cost DESC
LIMIT 20""",
        (
            Column(
                "Session",
                link=links.to("session", title="Open the session", keep=(), session=links.THIS),
                width=220,
            ),
            Column("Last call", units.SINCE),
            Column("Calls", units.COUNT, width=70),
            Column("Failed", steps=((None, "text"), (1, "red")), width=70),
            Column("Cost", units.USD, bar=True, decimals=4),
        ),
        width=16,
        description="The sessions that cost most. Click one to see it from its first call to its last.",
        no_value="No sessions: set `gen_ai.conversation.id` or use `track.session`",
    ),
    last_event(),
    stat(
        "Spans dropped",
        """SELECT sum(value) AS dropped
FROM export_health
WHERE metric = 'dropped' AND minute >= now('UTC') - INTERVAL 1 HOUR
HAVING count() > 0""",
        unit=units.COUNT,
        steps=((None, "text"), (1, "red")),
        description="Spans and records that exporters gave up in the last hour. Anything above 0 is "
        "lost from every report: open Pipeline for the reason.",
        no_value="No exporter told of any",
        link=links.to("pipeline", title="Pipeline", keep=()),
    ),
    stat(
        "Unpriced calls",
        change("sum(unpriced_calls)"),
        unit=units.COUNT,
        change=True,
        steps=((None, "text"), (1, "orange")),
        description="Calls whose model has no price here: their cost is unknown, not 0. Add a price "
        "(`spanledger prices`), then `spanledger reprice`.",
        no_value=_NO_CALLS,
        link=links.to("cost", title="Which models"),
    ),
    stat(
        "Spend in the last hour",
        """SELECT toFloat64(sum(cost_usd)) AS rate
FROM calls WHERE ts >= now('UTC') - INTERVAL 1 HOUR HAVING count() > 0""",
        unit=units.USD,
        description="What the last hour cost, whatever the time range. Compare with "
        "the budget's own pace on Cost & budgets.",
        no_value="Nothing spent in the last hour",
        link=links.to("forecast", title="Where this leads"),
    ),
)

OVERVIEW = Dashboard(
    "overview",
    "Spanledger: overview",
    "What agents spend, how they fare and whether the numbers are fresh. Start here.",
    (
        Row("", _HEADLINES),
        Row("Spend", _SPENDING),
        Row("Sessions and pipeline", _SESSIONS_AND_PIPELINE),
    ),
    COMMON,
    (DEPLOYMENTS, TRIPS),
)
