# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""Where the money goes, and how far it will last."""

from grafana.builder import links, units
from grafana.builder.model import Dashboard, Row
from grafana.builder.panels import Column, lines, ranking, stat, table, trend
from grafana.builder.shared import AGENT, DEPLOYMENTS, MODEL, PROVIDER, SERVICE, TRIPS, budgets
from grafana.builder.sql import (
    BEFORE,
    END,
    HOURS,
    LAST_DAY,
    LAST_DAY_FROM,
    START,
    change,
    choices,
    chosen,
    everything,
    over_time,
    points,
    ranked,
    sessions,
    two_windows,
    usage,
)

_CHOSEN = choices("service", "agent", "provider", "model")
_NO_CALLS = "No calls in this time range. Is the agent sending? `spanledger doctor`"
_ROWS = _CHOSEN.rows
_DECISIONS = chosen(service="service", agent="agent", provider="provider", model="request_model")
#: User roll-ups know the model, and nothing else of what is chosen.
_NOBODY_CHOSEN = everything("service", "agent", "provider")


def _per(what: str) -> str:
    """Cost of each `what` (an aggregate), where there is any."""
    return f"if({what} = 0, NULL, sum(cost_usd) / {what})"


_HEADLINES = (
    stat(
        "Spend",
        change("sum(cost_usd)", filter_by=_CHOSEN),
        unit=units.USD,
        change=True,
        description="What all model calls of this time range cost, and the change against the same "
        "time before it.",
        no_value=_NO_CALLS,
    ),
    stat(
        "Cost per call",
        change(_per("sum(calls)"), filter_by=_CHOSEN),
        unit=units.USD,
        decimals=4,
        change=True,
        description="Spend divided by calls. It rises when prompts grow, a dearer model is used or "
        "the cache stops working: compare tokens by class.",
        no_value=_NO_CALLS,
    ),
    stat(
        "Read from cache",
        change(
            "if(sum(input_tokens) = 0, 0, sum(cache_read_tokens) / sum(input_tokens))",
            filter_by=_CHOSEN,
        ),
        unit=units.RATIO,
        change=True,
        more_is_bad=False,
        description="Share of input tokens that the provider read from its cache, at a fraction of "
        "the price. Dominating is healthy; a sudden fall means that prompts begin differently now.",
        no_value=_NO_CALLS,
    ),
    stat(
        "Saved by the cache",
        f"""SELECT toFloat64(sum(u.cache_read_tokens * p.saved_usd)) AS saved
FROM (
    SELECT provider, model, sum(cache_read_tokens) AS cache_read_tokens
    FROM {usage(filter_by=_CHOSEN)} GROUP BY provider, model HAVING cache_read_tokens > 0
) AS u
INNER JOIN (
    SELECT provider, model, input_usd - cache_read_usd AS saved_usd FROM model_prices
) AS p ON p.provider = u.provider AND p.model = u.model""",
        unit=units.USD,
        description="What the tokens read from the cache would have cost more without it, at today's "
        "base prices. Models that the price list knows under another name are not in it.",
        no_value="No cached tokens of models in the price list",
    ),
    stat(
        "Unpriced calls",
        change("sum(unpriced_calls)", filter_by=_CHOSEN),
        unit=units.COUNT,
        change=True,
        steps=((None, "text"), (1, "orange")),
        description="Calls whose cost is unknown, not 0. Below is which models; add a price "
        "(`spanledger prices`), then `spanledger reprice`.",
        no_value=_NO_CALLS,
    ),
    stat(
        "Saved by refusals",
        f"""SELECT toFloat64(sum(asked_amount)) / 1e9 AS saved
FROM decisions
WHERE $__timeFilter(ts) AND decision = 'refused' AND metric = 'cost' AND {_DECISIONS}
HAVING count() > 0""",
        unit=units.USD,
        description="What refused calls had asked for: an upper bound of what they would have cost, "
        "because reservations are upper bounds. Calls refused for other reasons are not in it.",
        no_value="No call was refused for its cost",
        link=links.to("agents", title="Guard events", keep=("service", "agent", "model")),
    ),
)

_BURN_DOWN = """WITH chosen AS (
    SELECT rule, scope, budget_window, limit_amount, spent_amount, at, resets_in_s,
        at + toIntervalSecond(toInt64(resets_in_s)) AS ends_at
    FROM budgets
    WHERE metric = 'cost' AND resets_in_s > 0 AND budget_window IN ('day', 'week', 'month')
        AND at + toIntervalSecond(toInt64(resets_in_s)) >= now()
)
"""

_BUDGETS = (
    budgets(12, 9),
    lines(
        "Budget burn-down",
        """SELECT $__timeInterval(ts) AS time, concat(rule, ' (', scope, ')') AS series,
    toFloat64(1 - max(spent_amount / limit_amount)) AS remaining
FROM budget_states
WHERE $__timeFilter(ts) AND metric = 'cost'
GROUP BY time, series
ORDER BY time, series""",
        unit=units.RATIO,
        width=12,
        height=9,
        limits=((None, "transparent"), (0, "red")),
        description="What is left of each cost budget, as a share. It falls through the window and "
        "jumps back when the next one begins. A line steeper than its window lasts runs out early.",
        no_value="No budgets told: write one with `spanledger budget set`, and let metrics come in",
    ),
    table(
        "When budgets end",
        _BURN_DOWN
        + """SELECT b.rule AS Budget, b.spent_amount AS Spent, b.limit_amount AS Limit, r.usd_per_hour AS `Rate now`,
    if(r.usd_per_hour > 0, (b.limit_amount - b.spent_amount) / r.usd_per_hour * 3600, NULL) AS `Lasts`,
    if(r.usd_per_hour > 0 AND now() + toIntervalSecond(toInt64(greatest(0, b.limit_amount - b.spent_amount) / r.usd_per_hour * 3600)) < b.ends_at,
        now() + toIntervalSecond(toInt64(greatest(0, b.limit_amount - b.spent_amount) / r.usd_per_hour * 3600)), NULL) AS `Used up at`,
    b.ends_at AS `Window ends`, b.budget_window AS Window
FROM chosen AS b
CROSS JOIN (SELECT toFloat64(sum(cost_usd)) / 6 AS usd_per_hour FROM calls WHERE ts >= now('UTC') - INTERVAL 6 HOUR) AS r
WHERE b.scope IN ('', 'global')
ORDER BY Lasts
LIMIT 50""",
        (
            Column("Spent", units.USD),
            Column("Limit", units.USD),
            Column("Rate now", units.USD, decimals=2),
            Column("Lasts", units.SECONDS, decimals=0),
            Column("Used up at", units.TIME, steps=((None, "red"),), width=160),
            Column("Window ends", units.TIME, width=160),
        ),
        width=12,
        description="At the rate of the last six hours: how long a budget of everything lasts, and, "
        "in red, when it is used up if that is before its window ends.",
        no_value="No cost budget with a window",
    ),
    trend(
        "Forecast of the month",
        """WITH toStartOfMonth(today()) AS first, first + INTERVAL 1 MONTH AS next
SELECT toFloat64(toDayOfMonth(d.day)) AS `Day of the month`,
    if(d.day < today(), sum(d.spent) OVER w, NULL) AS Spent,
    sum(d.expected) OVER w AS Expected,
    sum(d.low) OVER w AS Low,
    sum(d.high) OVER w AS High,
    (SELECT nullIf(max(limit_amount), 0) FROM budgets WHERE metric = 'cost' AND budget_window = 'month' AND scope IN ('', 'global', 'all')) AS Budget
FROM (
    SELECT day, toFloat64(ifNull(actual, 0)) AS spent,
        toFloat64(ifNull(actual, expected)) AS expected, toFloat64(ifNull(actual, low)) AS low, toFloat64(ifNull(actual, high)) AS high
    FROM forecast_latest
    WHERE scope = 'all' AND metric = 'cost' AND day >= first AND day < next
) AS d
WINDOW w AS (ORDER BY d.day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
ORDER BY `Day of the month`""",
        x="Day of the month",
        unit=units.USD,
        width=12,
        height=8,
        description="Spend of this calendar month (UTC) added up from its first day: what was spent, "
        "what is expected, and how far it may lie off. Where Expected crosses Budget, the budget of "
        "the month ends. It does not follow the time range or the choices above.",
        no_value="Too few days to forecast from: it takes about a week of calls",
    ),
)

_BY = (
    lines(
        "Spend by model",
        over_time("sum(cost_usd)", "model", "cost", _CHOSEN),
        unit=units.USD,
        bars=True,
        stacked=True,
        width=24,
        description="What each model cost in each interval; beyond ten models the rest is `other`.",
        no_value=_NO_CALLS,
        link=links.to(
            "traces", title="Calls of this model", keep=("service", "agent"), model=links.SERIES
        ),
    ),
    ranking(
        "By agent",
        ranked("sum(cost_usd)", "agent", "cost", _CHOSEN, most=15),
        unit=units.USD,
        description="Spend by agent. `(none)`: calls outside of any agent.",
        no_value=_NO_CALLS,
    ),
    ranking(
        "By user",
        f"""SELECT user_id AS name, sum(toFloat64(cost_usd)) AS cost
FROM (
    SELECT user_id, cost_usd
    FROM user_hours
    WHERE {_NOBODY_CHOSEN} AND {HOURS} AND {chosen(model="model")}
    UNION ALL
    SELECT user_id, cost_usd
    FROM calls
    WHERE NOT {_NOBODY_CHOSEN} AND $__timeFilter(ts) AND user_id != '' AND {_ROWS}
)
GROUP BY user_id
HAVING cost > 0
ORDER BY cost DESC
LIMIT 15""",
        unit=units.USD,
        description="Spend by user (`user.id`). Per-person numbers: give this dashboard to those who "
        "may see them.",
        no_value="No users: set `user.id` or use `track.user`",
    ),
    ranking(
        "By tool",
        f"""SELECT t.tool AS name, toFloat64(sum(c.cost_usd)) AS cost
FROM (SELECT parent_span_id, cost_usd FROM calls WHERE {LAST_DAY} AND {_ROWS}) AS c
INNER JOIN (
    SELECT span_id, tool FROM tools
    WHERE ts >= {LAST_DAY_FROM} - INTERVAL 1 HOUR AND ts < {END} AND {chosen(service="service", agent="agent")}
) AS t ON t.span_id = c.parent_span_id
GROUP BY t.tool
HAVING cost > 0
ORDER BY cost DESC
LIMIT 15""",
        unit=units.USD,
        description="Spend of model calls that tools made themselves (the call's span is a child of "
        "the tool's), in the last day of the time range.",
        no_value="No tool called a model itself in the last day of this range",
    ),
)

_CLASSES = (
    lines(
        "Tokens by class",
        f"""SELECT $__timeInterval(t) AS time,
    toFloat64(sum(input_tokens) - sum(cache_read_tokens) - sum(cache_write_tokens)) AS `Input`,
    toFloat64(sum(cache_read_tokens)) AS `Read from cache`,
    toFloat64(sum(cache_write_tokens)) AS `Written to cache`,
    toFloat64(sum(output_tokens) - sum(reasoning_tokens)) AS `Output`,
    toFloat64(sum(reasoning_tokens)) AS `Reasoning`
FROM {points(_CHOSEN)}
GROUP BY time
ORDER BY time""",
        unit=units.TOKENS,
        bars=True,
        stacked=True,
        by_column=True,
        width=12,
        description="Tokens that are priced differently. Reasoning is paid as output; a lot of fresh "
        "input beside little from the cache is money that a stable prompt prefix saves.",
        no_value=_NO_CALLS,
    ),
    table(
        "Where costs come from",
        f"""SELECT ['told or computed', 'estimated', 'unpriced'][n] AS Provenance,
    [toInt64(sum(calls)) - toInt64(sum(estimated_calls)) - toInt64(sum(unpriced_calls)), toInt64(sum(estimated_calls)), toInt64(sum(unpriced_calls))][n] AS Calls,
    Calls / sum(calls) AS Share
FROM {usage(filter_by=_CHOSEN)}
ARRAY JOIN [1, 2, 3] AS n
GROUP BY n
HAVING sum(calls) > 0
ORDER BY n""",
        (Column("Calls", units.COUNT), Column("Share", units.RATIO, decimals=1)),
        width=6,
        description="Told by the provider, or computed from its token counts and the price list. "
        "`estimated`: tokens were not told. `unpriced`: no price, cost unknown.",
        no_value=_NO_CALLS,
    ),
    table(
        "Unpriced models",
        f"""SELECT provider AS Provider, model AS Model, sum(unpriced_calls) AS Calls, sum(input_tokens + output_tokens) AS Tokens
FROM {usage(filter_by=_CHOSEN)}
GROUP BY Provider, Model
HAVING Calls > 0
ORDER BY Calls DESC
LIMIT 50""",
        (
            Column("Provider", width=80),
            Column("Calls", units.COUNT, width=60),
            Column("Tokens", units.TOKENS, width=90),
        ),
        width=6,
        description="Models without a price here. Add one with `spanledger prices`, then "
        "`spanledger reprice` to price what came in before.",
        no_value="Every call has a price",
    ),
)

_SESSIONS = (
    stat(
        "Cost per session",
        two_windows(
            f"SELECT {BEFORE} AS time, toFloat64(sum(cost_usd) / nullIf(uniq(session_id), 0)) AS cost FROM {sessions(BEFORE, START, _CHOSEN)}",
            f"SELECT {END} AS time, toFloat64(sum(cost_usd) / nullIf(uniq(session_id), 0)) AS cost FROM {sessions(START, END, _CHOSEN)}",
        ),
        unit=units.USD,
        decimals=3,
        change=True,
        width=6,
        height=8,
        description="Mean cost of a session. The number that says whether the product pays: a drift "
        "upwards with the same work is a regression.",
        no_value="No sessions: set `gen_ai.conversation.id` or use `track.session`",
        link=links.to("forecast", title="Drift", keep=("service", "agent", "model")),
    ),
    table(
        "Dearest sessions",
        f"""SELECT session_id AS Session, any(agent) AS Agent, any(user_id) AS User,
    sum(calls) AS Calls, sum(toFloat64(cost_usd)) AS Cost
FROM {sessions(filter_by=_CHOSEN)}
GROUP BY session_id
ORDER BY Cost DESC
LIMIT 25""",
        (
            Column(
                "Session",
                link=links.to("session", title="Open the session", keep=(), session=links.THIS),
            ),
            Column("Cost", units.USD, bar=True, decimals=4),
        ),
        width=18,
        description="Sessions by cost. Click one to see it from its first call to its last.",
        no_value="No sessions: set `gen_ai.conversation.id` or use `track.session`",
    ),
)

COST = Dashboard(
    "cost",
    "Spanledger: cost & budgets",
    "Budgets and how long they last, and spend by everything that it can be put down to.",
    (
        Row("", _HEADLINES),
        Row("Budgets", _BUDGETS),
        Row("Spend by …", _BY),
        Row("Classes, provenance, prices", _CLASSES),
        Row("Sessions", _SESSIONS),
    ),
    (SERVICE, AGENT, PROVIDER, MODEL),
    (DEPLOYMENTS, TRIPS),
    start="now-7d",
)
