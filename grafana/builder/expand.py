"""What a query becomes before ClickHouse sees it, as Grafana and its ClickHouse plugin do it.

First the front end: ``$__conditionalAll``, then variables. Then the plugin's backend: the macros
of the time range. Alert rules know the backend only. Where Grafana would leave something as it
is, and ClickHouse would fail, this raises.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

ALL = "$__all"

Value = str | tuple[str, ...]
"""A text or single choice, or several choices."""


@dataclass(frozen=True, slots=True)
class State:
    """What a dashboard shows: the time range in Unix seconds, and what is chosen.

    A variable that is missing, or `ALL`, is All. None instead of variables: an alert rule, which
    has none.
    """

    start_s: int
    end_s: int
    interval_s: int
    variables: Mapping[str, Value] | None


_CONDITIONAL = "$__conditionalAll("
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
_GROUP = re.compile(r"(\d+)(ms|s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def expand(sql: str, state: State) -> str:
    """The statement that ClickHouse gets.

    Raises:
        ValueError: something of Grafana is left over, or is not known here.
    """
    if state.variables is not None:
        sql = _variables(_conditionals(sql, state.variables), state)
    sql = _macros(sql, state)
    if left := re.search(r"\$\{[^}]*\}?|\$[A-Za-z_]\w*|\[\[", sql):
        raise ValueError(f"{left[0]!r} is left over: {sql}")
    return sql


def _conditionals(sql: str, variables: Mapping[str, Value]) -> str:
    """The last one first, so that those within others are replaced before them."""
    while (at := sql.rfind(_CONDITIONAL)) >= 0:
        (condition, variable), end = _arguments(sql, at + len(_CONDITIONAL))
        name = variable.strip().lstrip("$").strip("{}")
        if not re.fullmatch(r"\w+", name):
            raise ValueError(f"$__conditionalAll wants a plain variable, not {variable!r}")
        phrase = "1=1" if _is_all(variables.get(name, ALL)) else condition
        sql = sql[:at] + phrase + sql[end:]
    return sql


def _is_all(value: Value) -> bool:
    return value in ("", ALL, (), (ALL,))


def _arguments(sql: str, start: int) -> tuple[list[str], int]:
    """Arguments up to the closing bracket; brackets and commas within texts count, as there."""
    depth, begin, found = 1, start, list[str]()
    for match in re.compile(r"[(),]").finditer(sql, start):
        depth += {"(": 1, ")": -1, ",": 0}[match[0]]
        if depth == 0 or (depth == 1 and match[0] == ","):
            found.append(sql[begin : match.start()])
            begin = match.end()
        if depth == 0:
            return found, match.end()
    raise ValueError(f"a bracket is not closed: {sql[start:]}")


def _variables(sql: str, state: State) -> str:
    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        built_in = _built_in(name, state)
        if built_in is not None:
            return built_in
        if name.startswith("__"):
            return match[0]
        return _formatted((state.variables or {}).get(name, ALL), match[2])

    return _VARIABLE.sub(fill, sql)


def _built_in(name: str, state: State) -> str | None:
    """Grafana's own variables; macros are not among them."""
    seconds = state.end_s - state.start_s
    return {
        "__from": str(state.start_s * 1000),
        "__to": str(state.end_s * 1000),
        "__interval": f"{state.interval_s}s",
        "__interval_ms": str(state.interval_s * 1000),
        "__range_s": str(seconds),
        "__range_ms": str(seconds * 1000),
        "__range": f"{seconds}s",
    }.get(name)


def _formatted(value: Value, how: str | None) -> str:
    if value == ALL:
        raise ValueError("the text of All depends on what there is: use $__conditionalAll")
    values = (value,) if isinstance(value, str) else value
    escapes: dict[str | None, Callable[[str], str]] = {
        "singlequote": lambda text: "'" + text.replace("'", "\\'") + "'",
        "sqlstring": lambda text: "'" + text.replace("'", "''") + "'",
        # Not escaped: this is Grafana's default, and the reason for the two above.
        None: (lambda text: text) if isinstance(value, str) else (lambda text: f"'{text}'"),
    }
    if how not in escapes:
        raise ValueError(f"the format {how!r} is not known here")
    return ",".join(escapes[how](each) for each in values)


def _macros(sql: str, state: State) -> str:
    """The last one first: a macro within another is its argument's text."""
    known = _known(state)
    pattern = re.compile(r"\$__(\w+)(\()?")
    while found := [match for match in pattern.finditer(sql) if match[1] in known]:
        match = found[-1]
        arguments, end = _arguments(sql, match.end()) if match[2] else ([""], match.end())
        arguments = [argument.strip() for argument in arguments if argument.strip()]
        sql = sql[: match.start()] + known[match[1]](*arguments) + sql[end:]
    return sql


def _known(state: State) -> dict[str, Callable[..., str]]:
    """The plugin's macros (4.20) that a dashboard may use."""
    start, end = f"toDateTime({state.start_s})", f"toDateTime({state.end_s})"
    start_ms = f"fromUnixTimestamp64Milli({state.start_s * 1000})"
    end_ms = f"fromUnixTimestamp64Milli({state.end_s * 1000})"
    days = f"toDate('{_day(state.start_s)}')", f"toDate('{_day(state.end_s)}')"
    interval_s = max(state.interval_s, 1)

    def dates(column: str) -> str:
        return f"{column} >= {days[0]} AND {column} <= {days[1]}"

    def times(column: str) -> str:
        return f"{column} >= {start} AND {column} <= {end}"

    return {
        "timeFilter": times,
        "timeFilter_ms": lambda column: f"{column} >= {start_ms} AND {column} <= {end_ms}",
        "dateFilter": dates,
        "dateTimeFilter": lambda date, time: f"({dates(date)}) AND ({times(time)})",
        "dt": lambda date, time: f"({dates(date)}) AND ({times(time)})",
        "timeFrom": lambda column: f"{column} >= {start}",
        "timeTo": lambda column: f"{column} <= {end}",
        "fromTime": lambda: start,
        "toTime": lambda: end,
        "fromTime_ms": lambda: start_ms,
        "toTime_ms": lambda: end_ms,
        "timeInterval": lambda column: _in_steps(f"toDateTime({column})", f"{interval_s} second"),
        "timeInterval_ms": lambda column: _in_steps(
            f"toDateTime64({column}, 3)", f"{interval_s * 1000} millisecond"
        ),
        "timeGroup": lambda column, step: _in_steps(
            f"toDateTime({column})", f"{_step_s(step)} second"
        ),
        "interval_s": lambda: str(interval_s),
    }


def _in_steps(column: str, step: str) -> str:
    return f"toStartOfInterval({column}, INTERVAL {step})"


def _step_s(text: str) -> int:
    match = _GROUP.fullmatch(text)
    if match is None or match[2] == "ms":
        raise ValueError(f"{text!r} is no duration of whole seconds")
    return int(match[1]) * _SECONDS[match[2]]


def _day(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d")
