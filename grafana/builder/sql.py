# ruff: noqa: E501, S608 - lines of SQL; what is put into it are constants and expressions of this package
"""Parts of SQL that many panels share.

Roll-ups answer for whole hours; the hours at the edges of a time range are read from the calls
themselves. So a sum is that of exactly the time range, at the price of two hours of calls.
"""

from dataclasses import dataclass

#: The time range as whole seconds of UTC.
START = "toDateTime($__fromTime, 'UTC')"
END = "toDateTime($__toTime, 'UTC')"
#: The window of the same length just before it.
BEFORE = f"({START} - ($__toTime - $__fromTime))"

#: The last day of the time range: enough where single rows are needed.
LAST_DAY_FROM = f"greatest({START}, {END} - INTERVAL 1 DAY)"
LAST_DAY = f"ts >= {LAST_DAY_FROM} AND ts < {END}"
#: The hours that the time range touches.
HOURS = "hour >= toStartOfHour($__fromTime) AND hour <= $__toTime"

MODEL = "if(request_model != '', request_model, response_model)"

#: From this many seconds between two points of a curve on, roll-ups are fine enough.
HOUR_S = 3600


def chosen(**columns: str) -> str:
    """What is chosen in the variables named as keys, each against its column or expression."""
    return " AND ".join(
        f"$__conditionalAll({expression} IN (${{{name}:singlequote}}), ${name})"
        for name, expression in columns.items()
    )


def everything(*names: str) -> str:
    """Whether All is chosen in the variables `names`: 1, or 0 for ClickHouse to skip what it guards."""
    return "(" + " AND ".join(f"$__conditionalAll(0, ${name})" for name in names) + ")"


@dataclass(frozen=True, slots=True)
class Filter:
    """The choices of a dashboard, over roll-ups and over rows."""

    hours: str
    rows: str
    all: str = "1"


def choices(*names: str) -> Filter:
    """A filter by the variables `names` (service, agent, provider, model)."""
    hours = chosen(**{name: name for name in names}) or "1"
    rows = chosen(**{name: MODEL if name == "model" else name for name in names}) or "1"
    return Filter(hours, rows, everything(*names) if names else "1")


EVERYWHERE = choices("service", "agent", "model")

_HOUR = (
    "service, agent, operation, provider, model, calls, failed_calls, unpriced_calls, "
    "estimated_calls, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, "
    "reasoning_tokens, cost_usd, duration_us"
)
_ROW = (
    f"service, agent, operation, provider, {MODEL} AS model, toUInt64(1) AS calls, "
    "toUInt64(status = 'Error') AS failed_calls, toUInt64(isNull(cost_usd)) AS unpriced_calls, "
    "toUInt64(cost_provenance = 'estimated') AS estimated_calls, "
    + ", ".join(
        f"toUInt64(ifNull({kind}_tokens, 0)) AS {kind}_tokens"
        for kind in ("input", "output", "cache_read", "cache_write", "reasoning")
    )
    + ", cost_usd, duration_us"
)


def usage(start: str = START, end: str = END, filter_by: Filter = EVERYWHERE) -> str:
    """Calls of exactly [start, end) as rows with the columns of `cost_hourly`, in brackets."""
    first, last = f"toStartOfHour({start} + 3599)", f"toStartOfHour({end})"
    return f"""(
    SELECT hour AS t, {_HOUR}
    FROM cost_hourly
    WHERE hour >= {first} AND hour < {last} AND {filter_by.hours}
    UNION ALL
    SELECT toDateTime(ts, 'UTC') AS t, {_ROW}
    FROM calls
    WHERE ts >= {start} AND ts < {end} AND (ts < {first} OR ts >= {last}) AND {filter_by.rows}
)"""


def points(filter_by: Filter = EVERYWHERE) -> str:
    """Calls as rows for a curve: whole hours where its points are hours apart, else single calls."""
    return f"""(
    SELECT hour AS t, {_HOUR}
    FROM cost_hourly
    WHERE $__interval_s >= {HOUR_S} AND hour >= toStartOfHour({START}) AND hour <= {END}
        AND {filter_by.hours}
    UNION ALL
    SELECT toDateTime(ts, 'UTC') AS t, {_ROW}
    FROM calls
    WHERE $__interval_s < {HOUR_S} AND $__timeFilter(ts) AND {filter_by.rows}
)"""


def two_windows(before: str, now: str) -> str:
    """Two SELECTs of a time and a number, the window before and this one, in this order."""
    return f"SELECT *\nFROM (\n{before}\nUNION ALL\n{now}\n)\nORDER BY time"


def change(value: str, name: str = "value", filter_by: Filter = EVERYWHERE) -> str:
    """`value` (an aggregate over usage) of the window before and of this one, in two rows."""
    return two_windows(
        f"SELECT {BEFORE} AS time, nullIf(toFloat64({value}), 0) AS {name} "
        f"FROM {usage(BEFORE, START, filter_by)}",
        f"SELECT {END} AS time, toFloat64({value}) AS {name} FROM {usage(filter_by=filter_by)}",
    )


def sessions(start: str = START, end: str = END, filter_by: Filter = EVERYWHERE) -> str:
    """Sessions with what they used, in brackets: of whole hours while nothing is chosen.

    Roll-ups know a session's agent only, so with a choice the calls themselves are read.
    """
    return f"""(
    SELECT session_id, agent, user_id, last_ts, calls, failed_calls, cost_usd
    FROM session_hours
    WHERE {filter_by.all} AND hour >= toStartOfHour({start}) AND hour < {end}
    UNION ALL
    SELECT session_id, toString(agent) AS agent, user_id, ts AS last_ts, toUInt64(1) AS calls,
        toUInt64(status = 'Error') AS failed_calls, cost_usd
    FROM calls
    WHERE NOT {filter_by.all} AND session_id != '' AND ts >= {start} AND ts < {end} AND {filter_by.rows}
)"""


def over_time(
    value: str, by: str, name: str, filter_by: Filter = EVERYWHERE, *, most: int = 10
) -> str:
    """A curve of `value` for each `by`; those beyond the `most` that cost most are one: other.

    What is 0 has no point: a model without a price costs what is unknown, and not nothing.
    """
    return f"""WITH top AS (
    SELECT {by} FROM cost_hourly WHERE {HOURS} AND {filter_by.hours} GROUP BY {by} ORDER BY sum(toFloat64(cost_usd)) DESC, sum(calls) DESC LIMIT {most}
)
SELECT $__timeInterval(t) AS time,
    multiIf(toString({by}) = '', '(none)', {by} IN (SELECT {by} FROM top), toString({by}), 'other') AS series,
    toFloat64({value}) AS {name}
FROM {points(filter_by)}
GROUP BY time, series
HAVING {name} != 0
ORDER BY time, series"""


def ranked(
    value: str, by: str, name: str, filter_by: Filter = EVERYWHERE, *, most: int = 10
) -> str:
    """`value` for each `by`, the largest first."""
    return f"""SELECT if({by} = '', '(none)', toString({by})) AS name, toFloat64({value}) AS {name}
FROM {usage(filter_by=filter_by)}
GROUP BY {by}
HAVING {name} > 0
ORDER BY {name} DESC
LIMIT {most}"""


def quantile(level: float, histogram: str = "duration_histogram") -> str:
    """Seconds at `level` of a latency histogram (keys floor(log2(µs) × 8), as in the roll-ups)."""
    total = f"arraySum(mapValues({histogram}))"
    at = (
        f"arrayFirst((key, sum) -> sum >= {level} * {total}, arraySort(mapKeys({histogram})), "
        f"arrayCumSum(arraySort((n, key) -> key, mapValues({histogram}), mapKeys({histogram}))))"
    )
    return f"if({total} = 0, NULL, exp2(({at} + 0.5) / 8) / 1000000)"


def events(decisions: str = "decisions") -> str:
    """The filter of guard events by the common choices."""
    return chosen(service="service", agent="agent", model="request_model")
