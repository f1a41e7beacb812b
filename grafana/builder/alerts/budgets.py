# ruff: noqa: E501, S608 - lines of SQL and of sentences; what is put into the SQL are constants of this file
"""Rules about budgets: what the guard's own counters say, as `budget_states` holds them.

Only windows of a day and longer: an hour's budget is new before anybody has read the message.
Budgets of single sessions are left out for the same reason.

Every process tells where a budget stands, once a minute. Those of one host, or with a shared
ledger, tell the same; those of hosts with ledgers of their own each tell theirs, under one name.
So one must not read the next process's number as an increase of the last one's: of all that were
told up to a time the greatest counts, within one window, in which what is spent only grows.
"""

from dataclasses import dataclass

from grafana.builder.alerts._rule import Group, Panel, Rule

_CURVE = Panel("spanledger-cost", "Budget burn-down")

#: A label: it changes only when somebody changes the limit.
_LIMIT = (
    "if(metric = 'cost', concat('$', toString(round(max(limit_now), 2))),"
    " concat(toString(toUInt64(max(limit_now))), ' ', metric)) AS limit"
)

#: The present window of each budget: `points` of it as (time, end of window, spent).
_STATES = """\
        SELECT *,
            arrayFilter(point -> point.2 = ends_at, points) AS current,
            arrayMin(point -> point.1, current) AS first_at,
            arrayMax(point -> point.1, current) AS last_at,
            arrayMax(point -> if(point.1 > last_at - 300, point.3, 0), current) AS spent_now,
            transform(budget_window, ['day', 'week', 'month'], [86400., 604800., 2592000.], 0.) AS window_s,
            ends_at - window_s AS began_at,
            toFloat64($__toTime) AS now_at
        FROM
        (
            SELECT service, rule, scope, metric, budget_window,
                argMax(limit_amount, ts) AS limit_now,
                argMax(window_end, ts) AS ends_at,
                groupArray((toFloat64(ts), window_end, spent_amount)) AS points
            FROM
            (
                SELECT *, ifNull(round((toFloat64(ts) + resets_in_s) / 600) * 600, 0) AS window_end
                FROM budget_states
                WHERE $__timeFilter(ts) AND budget_window IN ('day', 'week', 'month', 'total')
                    AND NOT startsWith(scope, 'session')
            )
            GROUP BY service, rule, scope, metric, budget_window
        )"""


def _increase(seconds: str) -> str:
    """What was added in the last seconds. A process that has just begun has added nothing yet."""
    begin = f"now_at - ({seconds})"
    until = f"greatest({begin}, if(began_at >= {begin}, 0, first_at + 300))"
    return (
        f"greatest(0, spent_now - arrayMax(point -> if(point.1 <= {until}, point.3, 0), current))"
    )


def _query(inner: str) -> str:
    """The greatest number of each budget, of all services: `found` is what `inner` selects."""
    return f"""\
SELECT rule, scope, budget_window, {_LIMIT}, max(found) AS number
FROM
(
{inner}
    FROM
    (
{_STATES}
    )
)
GROUP BY rule, scope, metric, budget_window
ORDER BY rule, scope"""


_USED = "    SELECT *, spent_now / limit_now AS found"


@dataclass(frozen=True, slots=True)
class _Burn:
    """From when on a budget burns too fast; expressions over `budget_window`."""

    long_s: str
    short_s: str
    """It must burn so over the last of it too, else the alert would outlast the fire."""
    times: str
    """So many times as fast as the limit allows."""
    part: float
    """And this part of the limit at least, over the long time: no month's alert for cents."""


# A limit that fits work of eight hours a day is spent three times as fast as a day's budget
# allows, each day: less than four is no news. An hour of such a week is a factor of four.
_FAST = _Burn("3600", "300", "6", 0.02)
_SLOW = _Burn(
    "transform(budget_window, ['day'], [10800], 86400)",
    "transform(budget_window, ['day'], [1800], 7200)",
    "transform(budget_window, ['day'], [4], 2)",
    0.05,
)


def _burning(burn: _Burn) -> str:
    """How many times as fast as its limit allows a budget burns, over the long time; else 0."""
    return f"""\
    SELECT *,
        {burn.long_s} AS long_s,
        {burn.short_s} AS short_s,
        {burn.times} AS times,
        {_increase("long_s")} / limit_now AS long_part,
        {_increase("short_s + 60")} / limit_now AS short_part,
        long_part * window_s / long_s AS rate,
        if(rate >= times AND short_part * window_s / short_s >= times AND long_part >= {burn.part}, rate, 0) AS found"""


# The slower of two paces: neither a busy hour nor a morning long past is a trend.
_PROJECTED = f"""\
    SELECT *,
        transform(budget_window, ['day'], [14400.], 86400.) AS lookback_s,
        greatest(now_at - began_at, 1) AS elapsed_s,
        least({_increase("lookback_s")} / lookback_s, spent_now / elapsed_s) AS pace,
        if(window_s > 0 AND elapsed_s >= window_s / 12 AND spent_now < limit_now,
            (spent_now + pace * greatest(ends_at - now_at, 0)) / limit_now, 0) AS found"""

_BUDGET = "Budget {{ $labels.rule }} ({{ $labels.scope }}, {{ $labels.budget_window }})"

THRESHOLD = Rule(
    name="budget-threshold",
    title="Budget over 80 %",
    severity="warning",
    sql=_query(_USED),
    lookback_s=900,
    bound=0.8,
    for_s=60,
    summary=_BUDGET
    + " has used {{ humanizePercentage $values.B.Value }} of its limit of {{ $labels.limit }}.",
    panel=Panel("spanledger-cost", "Budgets"),
    no_data_why="No rows: no process with a budget runs, so nothing is spent.",
)

BURN_FAST = Rule(
    name="budget-burn-fast",
    title="Budget burns fast",
    severity="critical",
    sql=_query(_burning(_FAST)),
    lookback_s=3600,
    bound=0,
    for_s=120,
    summary=_BUDGET
    + ' burns {{ printf "%.1f" $values.B.Value }} times as fast as its limit of'
    + " {{ $labels.limit }} allows, over the last hour and the last 5 minutes.",
    panel=_CURVE,
    no_data_why="No rows: no process with a budget runs, so nothing burns.",
)

BURN_SLOW = Rule(
    name="budget-burn-slow",
    title="Budget burns steadily too fast",
    severity="warning",
    sql=_query(_burning(_SLOW)),
    lookback_s=86400,
    bound=0,
    for_s=900,
    summary=_BUDGET
    + ' burns {{ printf "%.1f" $values.B.Value }} times as fast as its limit of'
    + " {{ $labels.limit }} allows, and has done so for hours.",
    panel=_CURVE,
    no_data_why="No rows: no process with a budget runs, so nothing burns.",
)

FORECAST = Rule(
    name="budget-forecast",
    title="Budget will end early",
    severity="warning",
    sql=_query(_PROJECTED),
    lookback_s=86400,
    bound=1.1,
    for_s=1800,
    summary=_BUDGET
    + " would reach {{ humanizePercentage $values.B.Value }} of its limit of"
    + " {{ $labels.limit }} by the end of its window at the present pace.",
    panel=Panel("spanledger-cost", "When budgets end"),
    no_data_why="No rows: no process with a budget runs, so no budget ends.",
)

FAST = Group("spanledger budgets", 60, (THRESHOLD, BURN_FAST))
SLOW = Group("spanledger budgets, slow", 300, (BURN_SLOW, FORECAST))
