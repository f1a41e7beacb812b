# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""Variables, annotations and panels that several dashboards have."""

from grafana.builder import links, units
from grafana.builder.model import Annotation, Choice, Panel
from grafana.builder.panels import Column, Steps, stat, table
from grafana.builder.sql import HOURS, chosen


def _choice(name: str, label: str, *within: str) -> Choice:
    """Values of a column of the roll-ups, the busiest first, within what is chosen before."""
    filters = " AND ".join(
        [HOURS, f"{name} != ''", *([chosen(**{n: n for n in within})] * bool(within))]
    )
    sql = (
        f"SELECT {name} FROM cost_hourly WHERE {filters} "
        f"GROUP BY {name} ORDER BY sum(calls) DESC LIMIT 500"
    )
    return Choice(name, label, sql)


SERVICE = _choice("service", "Service")
AGENT = _choice("agent", "Agent", "service")
PROVIDER = _choice("provider", "Provider", "service", "agent")
MODEL = _choice("model", "Model", "service", "agent")
COMMON = (SERVICE, AGENT, MODEL)
TOOL = Choice(
    "tool",
    "Tool",
    f"SELECT tool FROM tools_usage WHERE {HOURS} AND tool != '' AND "
    f"{chosen(service='service', agent='agent')} "
    "GROUP BY tool ORDER BY sum(calls) DESC LIMIT 500",
)

#: A release is the first span of a version, where the service ran another one before. Services
#: that tell no version have no rows here, and nothing else changes.
DEPLOYMENTS = Annotation(
    "Releases",
    """SELECT time, concat(service, ' ', version) AS title, concat('Before: ', before) AS text
FROM (
    SELECT ts AS time, service, version,
        lagInFrame(version, 1, '') OVER (PARTITION BY service ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
    FROM deployments
    WHERE $__conditionalAll(service IN (${service:singlequote}), $service)
)
WHERE before != '' AND time >= $__fromTime AND time <= $__toTime
ORDER BY time
LIMIT 200""",
    "blue",
)
TRIPS = Annotation(
    "Tripped budgets and open breakers",
    """SELECT ts AS time, concat(event, ': ', rule) AS title, message AS text
FROM decisions
WHERE $__timeFilter(ts) AND (event = 'tripped' OR (event = 'breaker' AND reason = 'tripped'))
ORDER BY ts
LIMIT 200""",
    "red",
)

#: Calls reserve their upper bound, so the last percents of a budget cannot be spent.
BUDGET_STEPS: Steps = ((None, "green"), (0.8, "orange"), (0.95, "red"))
ERROR_STEPS: Steps = ((None, "green"), (0.01, "orange"), (0.05, "red"))


def budgets(width: int, height: int = 8) -> Panel:
    """How much of each budget is used."""
    return table(
        "Budgets",
        """SELECT rule AS Budget, if(limit_amount > 0, spent_amount / limit_amount, NULL) AS Used,
    if(metric = 'cost', concat('$', toString(round(spent_amount, 2)), ' of $', toString(round(limit_amount, 2))),
        concat(toString(toInt64(spent_amount)), ' of ', toString(toInt64(limit_amount)), ' ', metric)) AS Spent,
    greatest(0, resets_in_s - dateDiff('second', at, now())) AS `Resets in`,
    scope AS Scope, at AS Told
FROM budgets
WHERE at >= now() - INTERVAL 35 DAY AND (isNull(resets_in_s) OR at + toIntervalSecond(toInt64(resets_in_s)) >= now())
ORDER BY Used DESC
LIMIT 100""",
        (
            Column("Budget", link=links.to("cost", title="Cost & budgets", keep=())),
            Column("Used", units.RATIO, steps=BUDGET_STEPS, width=60, decimals=0),
            Column("Spent", width=130),
            Column("Resets in", units.SECONDS, width=85, decimals=0),
            Column("Scope", width=60),
            Column("Told", units.SINCE, width=130),
        ),
        description="How much of each budget is used in its present window, as the guard's processes "
        "told it last. Orange from 80 %, red from 95 %: calls are refused, or soon will be. Raise a limit with "
        "`spanledger budget set`, or click through and see who spends.",
        no_value="No budgets told: write one with `spanledger budget set`, and let metrics come in",
        width=width,
        height=height,
    )


def last_event(width: int = 4) -> Panel:
    """How long ago anything came in."""
    return stat(
        "Last event received",
        """SELECT dateDiff('second', max(last_at), now('UTC')) AS ago
FROM received_minutes
WHERE minute >= now('UTC') - INTERVAL 1 DAY
HAVING count() > 0""",
        unit=units.SECONDS,
        description="Seconds since the newest span came in. When this grows while agents are at work, "
        "the pipeline stands still and every other number here is old: open Pipeline.",
        no_value="Nothing received for a day: is the Collector running? `spanledger doctor`",
        steps=((None, "green"), (300, "orange"), (900, "red")),
        width=width,
        decimals=0,
        link=links.to("pipeline", title="Pipeline", keep=()),
    )
