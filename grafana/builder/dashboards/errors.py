# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""What fails, since when, and how it reads."""

from grafana.builder import links, units
from grafana.builder.model import Dashboard, Row, Text
from grafana.builder.panels import ANY_IS_BAD, PLAIN, Column, lines, ranking, stat, table
from grafana.builder.shared import COMMON, DEPLOYMENTS, ERROR_STEPS, TOOL, TRIPS
from grafana.builder.sql import BEFORE, END, START, change, chosen, two_windows

_NONE = "Nothing failed in this time range"
_WHERE = (
    chosen(service="service", agent="agent", model="model", tool="tool")
    + " AND (${fingerprint:sqlstring} = '' OR error_fingerprint = ${fingerprint:sqlstring})"
)
#: Where a failure began; it passes through the spans around, which fail as well.
_BEGAN = f"(error_fingerprint != '' OR error_id = '') AND {_WHERE}"
_NOW = f"$__timeFilter(ts) AND {_BEGAN}"
_GROUP = "if(error_fingerprint != '', error_fingerprint, lower(hex(sipHash64(service, span_name, error_type))))"


def _changing(value: str, name: str) -> str:
    """`value` over the failures of the window before and of this one."""
    return two_windows(
        f"SELECT {BEFORE} AS time, nullIf(toFloat64({value}), 0) AS {name} FROM errors WHERE ts >= {BEFORE} AND ts < {START} AND {_BEGAN}",
        f"SELECT {END} AS time, toFloat64({value}) AS {name} FROM errors WHERE ts >= {START} AND ts < {END} AND {_BEGAN}",
    )


_HEADLINES = (
    stat(
        "Failures",
        _changing("count()", "failures"),
        unit=units.COUNT,
        change=True,
        description="Failures, each counted where it began and not in the spans that it passed through.",
        no_value=_NONE,
    ),
    stat(
        "Failed calls",
        change("if(sum(calls) = 0, 0, sum(failed_calls) / sum(calls))"),
        unit=units.RATIO,
        change=True,
        steps=ERROR_STEPS,
        description="Share of model calls that failed, of the chosen services, agents and models. From "
        "1 % on look at the types below, from 5 % on users notice.",
        no_value="No calls in this time range",
    ),
    stat(
        "Failed tool calls",
        f"""SELECT sum(failed_calls) / sum(calls) AS failed FROM tools_usage
WHERE hour >= toStartOfHour($__fromTime) AND hour <= $__toTime AND {chosen(service="service", agent="agent", tool="tool")}
HAVING sum(calls) > 0""",
        unit=units.RATIO,
        steps=ERROR_STEPS,
        description="Share of tool calls that failed, in the hours that the time range touches.",
        no_value="No tool calls in this time range",
    ),
    stat(
        "Sessions hit",
        _changing("uniqIf(session_id, session_id != '')", "sessions"),
        unit=units.COUNT,
        change=True,
        description="Sessions with at least one failure (within about 1 %): how many people noticed.",
        no_value=_NONE,
    ),
    stat(
        "New kinds",
        f"""SELECT uniqExact(error_group) AS kinds
FROM (
    SELECT {_GROUP} AS error_group, min(ts) AS first_seen
    FROM errors WHERE ts >= {START} - INTERVAL 30 DAY AND ts < {END} AND {_BEGAN}
    GROUP BY error_group
)
WHERE first_seen >= {START}""",
        unit=units.COUNT,
        steps=ANY_IS_BAD,
        description="Kinds of failure that were not there in the 30 days before this time range: most "
        "often a release or a provider's change. They stand first in the table below.",
        no_value="None",
    ),
    stat(
        "Newest failure",
        f"SELECT dateDiff('second', max(ts), now('UTC')) AS ago FROM errors WHERE {_NOW} HAVING count() > 0",
        unit=units.SECONDS,
        decimals=0,
        steps=PLAIN,
        description="How long ago the newest failure of this time range began.",
        no_value=_NONE,
    ),
)

_WHEN = (
    lines(
        "Errors over time",
        f"""WITH top AS (SELECT error_type FROM errors WHERE {_NOW} GROUP BY error_type ORDER BY count() DESC LIMIT 10)
SELECT $__timeInterval(ts) AS time,
    multiIf(error_type NOT IN (SELECT error_type FROM top), 'other', error_type = '', '(no type)', toString(error_type)) AS series,
    toFloat64(count()) AS failures
FROM errors
WHERE {_NOW}
GROUP BY time, series
ORDER BY time, series""",
        unit=units.COUNT,
        bars=True,
        stacked=True,
        width=24,
        description="Failures by type; beyond ten types the rest is `other`. A wall of one type is a "
        "provider or a limit, a new colour after a release mark is the release.",
        no_value=_NONE,
    ),
    *(
        ranking(
            title,
            f"""SELECT {column} AS name, toFloat64(count()) AS failures
FROM errors
WHERE {_NOW} AND {column} != ''
GROUP BY {column}
ORDER BY failures DESC
LIMIT 10""",
            unit=units.COUNT,
            width=6,
            description=text,
            no_value=_NONE,
            link=link,
        )
        for title, column, text, link in (
            (
                "By type",
                "error_type",
                "Failures by type, as the library or provider names it.",
                None,
            ),
            (
                "By tool",
                "tool",
                "Failures that began in a tool. Click one for its calls.",
                links.to(
                    "agents",
                    title="This tool",
                    keep=("service", "agent"),
                    tool="${__data.fields.name:percentencode}",
                ),
            ),
            (
                "By model",
                "model",
                "Failures of calls by the model that was asked for.",
                links.to(
                    "traces",
                    title="Calls of this model",
                    keep=("service", "agent"),
                    model="${__data.fields.name:percentencode}",
                    outcome="failed",
                ),
            ),
            (
                "By provider",
                "provider",
                "Failures by provider. One alone: look at its status page, and let a fallback take over.",
                None,
            ),
        )
    ),
)

_KINDS = (
    table(
        "Kinds of failure",
        f"""SELECT last_type AS Type, last_kind AS Where, last_name AS Name, failures AS Failures, sessions AS Sessions,
    first_seen AS `First seen`, last_seen AS `Last seen`, last_message AS Message, fingerprint AS Similar, last_trace AS `Last trace`
FROM (
    SELECT {_GROUP} AS error_group, any(error_fingerprint) AS fingerprint, min(ts) AS first_seen, max(ts) AS last_seen,
        countIf(ts >= {START}) AS failures, uniqIf(session_id, session_id != '' AND ts >= {START}) AS sessions,
        argMax(kind, ts) AS last_kind, argMax(error_type, ts) AS last_type,
        argMax(multiIf(tool != '', tool, model != '', model, span_name), ts) AS last_name,
        argMax(message, ts) AS last_message, argMax(trace_id, ts) AS last_trace
    FROM errors
    WHERE ts >= {START} - INTERVAL 30 DAY AND ts < {END} AND {_BEGAN}
    GROUP BY error_group
)
WHERE Failures > 0
ORDER BY first_seen >= {START} DESC, Failures DESC
LIMIT 100""",
        (
            Column("Failures", bar=True),
            Column("First seen", units.SINCE),
            Column("Last seen", units.SINCE),
            Column("Message", wrap=True, width=420),
            Column(
                "Similar",
                link=links.to(
                    "errors",
                    title="Only failures like this one",
                    keep=("service", "agent", "model", "tool"),
                    fingerprint=links.THIS,
                ),
            ),
            Column(
                "Last trace",
                link=links.to("traces", title="Open the trace", keep=(), trace=links.THIS),
            ),
        ),
        width=24,
        height=12,
        description="Failures with the same way through the code are one kind. New ones come first; "
        "First seen looks 30 days further back than the time range. Click Similar to see one kind "
        "alone, everywhere on this page.",
        no_value=_NONE,
    ),
    table(
        "Newest failures",
        f"""SELECT ts AS Time, kind AS Where, if(tool != '', tool, if(model != '', model, span_name)) AS Name, agent AS Agent,
    error_type AS Type, message AS Message, session_id AS Session, trace_id AS Trace
FROM errors
WHERE {_NOW}
ORDER BY ts DESC
LIMIT 100""",
        (
            Column("Time", units.TIME, width=170),
            Column("Message", wrap=True, width=480),
            Column(
                "Session",
                link=links.to("session", title="Open the session", keep=(), session=links.THIS),
            ),
            Column(
                "Trace", link=links.to("traces", title="Open the trace", keep=(), trace=links.THIS)
            ),
        ),
        width=24,
        height=12,
        description="Single failures with what they said. Click the trace for what happened around it, "
        "the session for what led to it.",
        no_value=_NONE,
    ),
)

ERRORS = Dashboard(
    "errors",
    "Spanledger: errors",
    "What fails, since when, how often, and how it reads.",
    (Row("", _HEADLINES), Row("When and where", _WHEN), Row("What", _KINDS)),
    (*COMMON, TOOL, Text("fingerprint", "Only the kind", "Fingerprint of one kind of failure")),
    (DEPLOYMENTS, TRIPS),
)
