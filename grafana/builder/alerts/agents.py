# ruff: noqa: E501 - lines of SQL and of sentences
"""Rules about agents at work: calls and tools that fail, breakers, loops, refusals."""

from grafana.builder.alerts._rule import Group, Panel, Rule

_ERROR_RATE = """\
SELECT provider, countIf(status = 'Error') / count() AS failed_part
FROM calls
WHERE $__timeFilter(ts)
GROUP BY provider
HAVING count() >= 20
ORDER BY provider"""

_TOOL_FAILING = """\
SELECT tool, countIf(status = 'Error') / count() AS failed_part
FROM tools
WHERE $__timeFilter(ts)
GROUP BY tool
HAVING count() >= 10
ORDER BY tool"""

# Open until something closed it, or as long as it holds calls back. Every process has breakers of
# its own, so the number is that of services.
_BREAKER_OPEN = """\
SELECT target, toFloat64(countIf(is_open)) AS services
FROM
(
    SELECT service, scope AS target,
        argMaxIf(reason, ts, event = 'breaker') NOT IN ('', 'probes_passed', 'force_closed', 'reset')
            OR countIf(event = 'refused' AND ts > $__toTime - 300) > 0 AS is_open
    FROM decisions
    WHERE $__timeFilter(ts) AND scope != ''
        AND (event = 'breaker' OR (event = 'refused' AND startsWith(reason, 'circuit_')))
    GROUP BY service, target
)
GROUP BY target
ORDER BY target"""

_LOOP = """\
SELECT if(agent = '', '(none)', agent) AS agent, toFloat64(count()) AS loops
FROM decisions
WHERE $__timeFilter(ts) AND reason IN ('loop_detected', 'loop_seen')
GROUP BY agent
ORDER BY agent"""

# More than three times as many as in the same time of the day before, on average.
_REFUSALS = """\
SELECT if(rule = '', '(none)', rule) AS rule, reason,
    toFloat64(countIf(ts > $__toTime - 900)) AS refused
FROM decisions
WHERE $__timeFilter(ts) AND event = 'refused'
GROUP BY rule, reason
HAVING refused > 3 * countIf(ts <= $__toTime - 900) * 900 / 86400
ORDER BY rule, reason"""

ERROR_RATE = Rule(
    name="error-rate",
    title="Calls to a provider fail",
    severity="critical",
    sql=_ERROR_RATE,
    lookback_s=900,
    bound=0.1,
    for_s=120,
    summary="{{ humanizePercentage $values.B.Value }} of the calls to {{ $labels.provider }} failed"
    " in the last 15 minutes.",
    panel=Panel("spanledger-errors", "Errors over time"),
    no_data_why="No rows: fewer than 20 calls in 15 minutes are too few for a rate.",
)

TOOL_FAILING = Rule(
    name="tool-failing",
    title="A tool fails",
    severity="warning",
    sql=_TOOL_FAILING,
    lookback_s=1800,
    bound=0.3,
    for_s=120,
    summary="{{ humanizePercentage $values.B.Value }} of the calls of tool {{ $labels.tool }} failed"
    " in the last 30 minutes.",
    panel=Panel("spanledger-agents", "Tools"),
    no_data_why="No rows: fewer than 10 calls of each tool in 30 minutes.",
)

BREAKER_OPEN = Rule(
    name="breaker-open",
    title="A breaker is open",
    severity="critical",
    sql=_BREAKER_OPEN,
    lookback_s=900,
    bound=0,
    summary="The breaker of {{ $labels.target }} is open in"
    ' {{ printf "%.0f" $values.B.Value }} service(s): calls to it are refused before they are sent.',
    panel=Panel("spanledger-agents", "Provider breakers"),
    no_data_why="No rows: no breaker has changed or held anything back.",
)

LOOP = Rule(
    name="loop-detected",
    title="An agent runs in a loop",
    severity="warning",
    sql=_LOOP,
    lookback_s=900,
    bound=0,
    summary="Agent {{ $labels.agent }} was caught repeating itself"
    ' {{ printf "%.0f" $values.B.Value }} time(s) in the last 15 minutes.',
    panel=Panel("spanledger-agents", "Guard events"),
    no_data_why="No rows: nobody repeats himself.",
)

REFUSALS = Rule(
    name="refusals-rising",
    title="Refusals rise",
    severity="warning",
    sql=_REFUSALS,
    lookback_s=86400 + 900,
    bound=19,
    for_s=120,
    summary='{{ printf "%.0f" $values.B.Value }} calls were refused in the last 15 minutes by rule'
    " {{ $labels.rule }} ({{ $labels.reason }}), more than three times the usual number.",
    panel=Panel("spanledger-overview", "Refused calls"),
    no_data_why="No rows: no more refusals than usual.",
)

GROUP = Group("spanledger agents", 60, (ERROR_RATE, TOOL_FAILING, BREAKER_OPEN, LOOP, REFUSALS))
