# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""Where this leads, and what stands out."""

from grafana.builder import links, units
from grafana.builder.model import Dashboard, Row
from grafana.builder.panels import Column, lines, stat, table, trend
from grafana.builder.shared import COMMON, DEPLOYMENTS, TRIPS
from grafana.builder.sql import EVERYWHERE, chosen, points

_YOUNG = "Too few days to forecast from: it takes about a week of calls"
_COST = "FROM forecast_latest WHERE scope = 'all' AND metric = 'cost'"
_MONTH = "day >= toStartOfMonth(today()) AND day < toStartOfMonth(today()) + INTERVAL 1 MONTH"
_AGENT = chosen(agent="agent")

_HEADLINES = (
    stat(
        "Spend of this month",
        f"SELECT toFloat64(sum(ifNull(actual, expected))) AS cost {_COST} AND {_MONTH} HAVING count() > 0",
        unit=units.USD,
        width=6,
        description="What this calendar month (UTC) will have cost at its end: what was spent, and what "
        "is expected for today and the days that are left.",
        no_value=_YOUNG,
        link=links.to("cost", title="Budgets", keep=("service", "agent", "model")),
    ),
    stat(
        "Next seven days",
        f"SELECT toFloat64(sum(expected)) AS cost {_COST} AND day > today() AND day <= today() + 7 HAVING count() > 0",
        unit=units.USD,
        width=6,
        description="What the seven days after today are expected to cost.",
        no_value=_YOUNG,
    ),
    stat(
        "At this hour's rate",
        "SELECT toFloat64(sum(cost_usd)) * 24 AS cost FROM calls WHERE ts >= now('UTC') - INTERVAL 1 HOUR HAVING count() > 0",
        unit=units.USD,
        width=6,
        description="What a day would cost that goes on as the last hour did. Far above the forecast: "
        "something runs that did not run before, see Burn rates.",
        no_value="Nothing spent in the last hour",
    ),
    stat(
        "Anomalies in the range",
        f"SELECT count() AS found FROM anomalies_latest WHERE $__timeFilter(at) AND {_AGENT}",
        unit=units.COUNT,
        width=6,
        steps=((None, "text"), (1, "orange")),
        description="Hours, sessions and turns that cost, took or failed far more than is usual for "
        "their agent. Below stands why; the views look two weeks back.",
        no_value="None",
    ),
)

_AHEAD = (
    trend(
        "Forecast",
        f"""SELECT toFloat64(dateDiff('day', today(), day)) AS `Days from today`,
    toFloat64(actual) AS Spent, toFloat64(expected) AS Expected, toFloat64(low) AS Low, toFloat64(high) AS High
{_COST} AND day >= today() - 42 AND day <= today() + 30
ORDER BY `Days from today`""",
        x="Days from today",
        unit=units.USD,
        width=16,
        height=10,
        description="Spend a day: the last six weeks and the next thirty days, whatever the time range, "
        "with the band that holds it four times in five. Days far above the band are explained below.",
        no_value=_YOUNG,
    ),
    table(
        "Who will spend it",
        """SELECT name AS Agent,
    toFloat64(sumIf(actual, day < today() AND day >= today() - 7)) AS `Last 7 days`,
    toFloat64(sumIf(expected, day > today() AND day <= today() + 7)) AS `Next 7 days`,
    if(`Last 7 days` > 0, `Next 7 days` / `Last 7 days` - 1, NULL) AS Change
FROM forecast_latest
WHERE scope = 'agent' AND metric = 'cost' AND day >= today() - 7 AND day <= today() + 7
GROUP BY name
ORDER BY `Next 7 days` DESC
LIMIT 50""",
        (
            Column(
                "Agent",
                link=links.to(
                    "agents", title="This agent", keep=("service", "model"), agent=links.THIS
                ),
            ),
            Column("Last 7 days", units.USD),
            Column("Next 7 days", units.USD, bar=True),
            Column("Change", units.RATIO, decimals=0),
        ),
        width=8,
        height=10,
        description="Spend of each agent in the last seven whole days, and what is expected of the next.",
        no_value=_YOUNG,
    ),
    table(
        "Burn rates",
        """SELECT if(scope = 'all', 'everything', scope) AS Scope, name AS Name,
    toFloat64(maxIf(usd_per_hour, period = '1h')) AS `Last hour`, toFloat64(maxIf(usd_per_hour, period = '6h')) AS `6 hours`,
    toFloat64(maxIf(usd_per_hour, period = '1d')) AS Day, toFloat64(maxIf(usd_per_hour, period = '7d')) AS Week,
    if(Week > 0, `Last hour` / Week, NULL) AS `Hour / week`
FROM burn_rate
WHERE scope IN ('all', 'agent', 'model')
GROUP BY scope, name
ORDER BY `Last hour` DESC
LIMIT 50""",
        (
            Column("Last hour", units.USD),
            Column("6 hours", units.USD),
            Column("Day", units.USD),
            Column("Week", units.USD),
            Column("Hour / week", decimals=1, steps=((None, "text"), (3, "orange"), (10, "red"))),
        ),
        width=24,
        description="US dollars an hour over periods of different length. A last hour of many times the "
        "week's mean is a runaway or a new job; open Agents & tools for that agent.",
        no_value="Nothing spent in the last 30 days",
    ),
)

_ODD = (
    lines(
        "Anomalies over time",
        f"""SELECT $__timeInterval(at) AS time, kind AS series, toFloat64(count()) AS found
FROM anomalies_latest
WHERE $__timeFilter(at) AND {_AGENT}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        bars=True,
        stacked=True,
        width=8,
        height=10,
        description="What stood out, by kind. Many at once with one cause: a release, a provider, a job.",
        no_value="Nothing stood out in this time range",
    ),
    table(
        "Anomalies",
        f"""SELECT at AS Time, kind AS Kind, agent AS Agent, times AS Times, reason AS Why,
    if(scope = 'session', name, '') AS Session, if(scope = 'turn', name, '') AS Trace
FROM anomalies_latest
WHERE $__timeFilter(at) AND {_AGENT}
ORDER BY at DESC
LIMIT 100""",
        (
            Column("Time", units.TIME, width=155),
            Column("Kind", width=150),
            Column(
                "Agent",
                link=links.to(
                    "agents", title="This agent", keep=("service", "model"), agent=links.THIS
                ),
            ),
            Column("Times", decimals=1, width=80),
            Column("Why", wrap=True, width=350),
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
        description="Each with how many times the usual it was, and what differs from usual. Prompts that "
        "grew, another model or a cold cache are the usual causes.",
        no_value="Nothing stood out in this time range",
    ),
)

_DRIFT = (
    lines(
        "Cost per session",
        f"""SELECT toDateTime(day, 'UTC') AS time, ['median', 'mean', 'one in twenty'][n] AS series,
    [quantile(0.5)(cost), avg(cost), quantile(0.95)(cost)][n] AS value
FROM (
    SELECT toDate(hour) AS day, session_id, sum(toFloat64(cost_usd)) AS cost
    FROM session_hours
    WHERE hour >= toStartOfDay(toDateTime($__fromTime, 'UTC')) AND hour <= $__toTime AND {chosen(agent="agent")}
    GROUP BY day, session_id
)
ARRAY JOIN [1, 2, 3] AS n
GROUP BY day, n
ORDER BY time, series""",
        unit=units.USD,
        width=12,
        decimals=4,
        description="What a session costs a day: the usual one, the mean, and what one in twenty "
        "exceeds. The median creeping up with the same work is prompts that grow; the upper curve "
        "alone is a few agents that run away.",
        no_value="No sessions: set `gen_ai.conversation.id` or use `track.session`",
    ),
    lines(
        "Cost per call",
        f"""SELECT toStartOfInterval(t, toIntervalSecond(greatest($__interval_s, 3600))) AS time, if(agent = '', '(none)', toString(agent)) AS series,
    if(sum(calls) = 0, 0, toFloat64(sum(cost_usd)) / sum(calls)) AS cost
FROM {points(EVERYWHERE)}
WHERE agent IN (
    SELECT agent FROM cost_hourly
    WHERE hour >= toStartOfHour($__fromTime) AND hour <= $__toTime AND {EVERYWHERE.hours}
    GROUP BY agent ORDER BY sum(cost_usd) DESC LIMIT 8
)
GROUP BY time, series
ORDER BY time, series""",
        unit=units.USD,
        width=12,
        decimals=5,
        description="What a call costs, by hour and agent (the eight that cost most). It moves with the "
        "model, the length of prompts and the cache.",
        no_value="No calls in this time range",
        link=links.to(
            "cost", title="Tokens by class", keep=("service", "model"), agent=links.SERIES
        ),
    ),
)

FORECAST = Dashboard(
    "forecast",
    "Spanledger: forecast & anomalies",
    "Where spending leads, and what is unlike it was.",
    (
        Row("", _HEADLINES),
        Row("Ahead", _AHEAD),
        Row("What stands out", _ODD),
        Row("Drift", _DRIFT),
    ),
    COMMON,
    (DEPLOYMENTS, TRIPS),
    start="now-7d",
)
