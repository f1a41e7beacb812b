# ruff: noqa: E501 - lines of SQL and of sentences
"""Rules about what calls cost, whether there is a budget or not."""

from grafana.builder.alerts._rule import Group, Panel, Rule

# Compared with the same time of day, an hour more or less, of the last seven days: an agent that
# rests at night is no anomaly in the morning, and what runs every night is none at night. The
# upper quartile of those hours, so that quiet weekends don't make Mondays suspicious.
_ANOMALY = """\
SELECT if(recent.agent = '', '(none)', recent.agent) AS agent,
    if(recent.cost >= 1, recent.cost / greatest(usual.cost, 0.01), 0) AS times
FROM
(
    SELECT agent, toFloat64(sum(cost_usd)) AS cost
    FROM calls
    WHERE ts > $__toTime - 3600 AND ts <= $__toTime AND cost_usd IS NOT NULL
    GROUP BY agent
) AS recent
INNER JOIN
(
    SELECT agent, quantileExactHigh(0.75)(hour_cost) AS cost
    FROM
    (
        SELECT agent, hour, toFloat64(ifNull(sum(cost_usd), 0)) AS hour_cost
        FROM cost_hourly
        WHERE hour >= $__fromTime AND hour < toStartOfHour($__toTime) - 3600
            AND (toHour(hour) - toHour($__toTime, 'UTC') + 25) % 24 <= 2
        GROUP BY agent, hour
    )
    GROUP BY agent
    HAVING count() >= 8
) AS usual ON recent.agent = usual.agent
ORDER BY agent"""

# Medians: one runaway session is the anomaly's, this is about all of them.
_DRIFT = """\
SELECT if(agent = '', '(none)', agent) AS agent,
    quantileIf(0.5)(cost, is_recent) / greatest(quantileIf(0.5)(cost, NOT is_recent), 0.0001) AS times
FROM
(
    SELECT agent, toFloat64(ifNull(cost_usd, 0)) AS cost,
        last_call_at > $__toTime - 21600 AS is_recent
    FROM sessions
    WHERE last_call_at >= $__fromTime AND last_call_at <= $__toTime
)
GROUP BY agent
HAVING countIf(is_recent) >= 20 AND countIf(NOT is_recent) >= 100
ORDER BY agent"""

# A call that failed has no tokens to price.
_UNPRICED = """\
SELECT provider, if(request_model != '', request_model, response_model) AS model,
    toFloat64(count()) AS unpriced
FROM calls
WHERE $__timeFilter(ts) AND cost_usd IS NULL AND status != 'Error'
GROUP BY provider, model
ORDER BY provider, model"""

ANOMALY = Rule(
    name="cost-anomaly",
    title="Cost anomaly",
    severity="warning",
    sql=_ANOMALY,
    lookback_s=7 * 86400,
    bound=3,
    for_s=120,
    summary="Agent {{ $labels.agent }} cost"
    ' {{ printf "%.1f" $values.B.Value }} times as much in the last hour as in a costly'
    " hour at this time of day.",
    panel=Panel("spanledger-forecast", "Anomalies"),
    no_data_why="No rows: no agent with days of history has spent anything in the last hour.",
)

SESSION_DRIFT = Rule(
    name="session-cost-drift",
    title="Sessions become dearer",
    severity="warning",
    sql=_DRIFT,
    lookback_s=7 * 86400,
    bound=2,
    for_s=900,
    summary="A typical session of agent {{ $labels.agent }} cost"
    ' {{ printf "%.1f" $values.B.Value }} times as much in the last 6 hours as in the 7 days'
    " before.",
    panel=Panel("spanledger-forecast", "Cost per session"),
    no_data_why="No rows: too few sessions to compare.",
)

UNPRICED = Rule(
    name="unpriced-calls",
    title="Calls without a price",
    severity="warning",
    sql=_UNPRICED,
    lookback_s=3600,
    bound=0,
    summary='{{ printf "%.0f" $values.B.Value }} calls of model {{ $labels.model }}'
    " ({{ $labels.provider }}) in the last hour have no price, so their cost is unknown.",
    panel=Panel("spanledger-cost", "Unpriced models"),
    no_data_why="No rows: every call has a price.",
)

FAST = Group("spanledger cost", 60, (ANOMALY,))
SLOW = Group("spanledger cost, slow", 300, (SESSION_DRIFT, UNPRICED))
