"""The expander against the expansions that the plugin documents (version 4.20)."""

import pytest
from grafana.builder.expand import ALL, State, expand

START, END = 1_700_000_000, 1_700_003_600
STATE = State(START, END, 300, {"agent": ("a", "o'brien"), "text": "o'brien", "empty": ""})
FROM, TO = f"toDateTime({START})", f"toDateTime({END})"


@pytest.mark.parametrize(
    ("macro", "expansion"),
    [
        ("$__timeFilter(ts)", f"ts >= {FROM} AND ts <= {TO}"),
        (
            "$__timeFilter_ms(ts)",
            f"ts >= fromUnixTimestamp64Milli({START}000) "
            f"AND ts <= fromUnixTimestamp64Milli({END}000)",
        ),
        ("$__dateFilter(d)", "d >= toDate('2023-11-14') AND d <= toDate('2023-11-14')"),
        (
            "$__dateTimeFilter(d, t)",
            "(d >= toDate('2023-11-14') AND d <= toDate('2023-11-14')) "
            f"AND (t >= {FROM} AND t <= {TO})",
        ),
        ("$__timeFrom(ts)", f"ts >= {FROM}"),
        ("$__timeTo(ts)", f"ts <= {TO}"),
        ("$__fromTime", FROM),
        ("$__toTime", TO),
        ("$__fromTime_ms", f"fromUnixTimestamp64Milli({START}000)"),
        ("$__toTime_ms", f"fromUnixTimestamp64Milli({END}000)"),
        ("$__timeInterval(ts)", "toStartOfInterval(toDateTime(ts), INTERVAL 300 second)"),
        (
            "$__timeInterval_ms(ts)",
            "toStartOfInterval(toDateTime64(ts, 3), INTERVAL 300000 millisecond)",
        ),
        ("$__timeGroup(ts, 5m)", "toStartOfInterval(toDateTime(ts), INTERVAL 300 second)"),
        ("$__interval_s", "300"),
        ("$__interval_ms", "300000"),
        ("${__from}", f"{START}000"),
        ("${__to}", f"{END}000"),
        ("$__range_s", "3600"),
        ("${agent:singlequote}", r"'a','o\'brien'"),
        ("${text:sqlstring}", "'o''brien'"),
        ("$text", "o'brien"),
        ("$agent", "'a','o'brien'"),
        ("${empty:sqlstring}", "''"),
    ],
)
def test_a_macro_becomes_what_the_plugin_makes_of_it(macro: str, expansion: str) -> None:
    assert expand(f"SELECT {macro}", STATE) == f"SELECT {expansion}"


def test_a_macro_may_stand_in_another() -> None:
    assert expand("$__timeFilter(toDateTime($__toTime))", STATE) == (
        f"toDateTime({TO}) >= {FROM} AND toDateTime({TO}) <= {TO}"
    )


def test_a_condition_stands_while_something_is_chosen() -> None:
    sql = "WHERE $__conditionalAll(if(a, b, c) IN (${agent:singlequote}), $agent)"
    assert expand(sql, STATE) == r"WHERE if(a, b, c) IN ('a','o\'brien')"


@pytest.mark.parametrize("value", [ALL, (ALL,), "", ()])
def test_a_condition_falls_when_all_is_chosen(value: str) -> None:
    state = State(START, END, 60, {"agent": value})
    sql = "WHERE $__conditionalAll(x IN (${agent:singlequote}), $agent) AND 1"
    assert expand(sql, state) == "WHERE 1=1 AND 1"


def test_conditions_may_stand_in_each_other() -> None:
    sql = "$__conditionalAll(a AND $__conditionalAll(b, $missing), ${agent})"
    assert expand(sql, STATE) == "a AND 1=1"


def test_a_condition_with_a_formatted_variable_is_refused() -> None:
    """The plugin does not see All in it."""
    with pytest.raises(ValueError, match="plain variable"):
        expand("$__conditionalAll(a, ${agent:singlequote})", STATE)


def test_all_without_a_condition_is_refused() -> None:
    with pytest.raises(ValueError, match="conditionalAll"):
        expand("SELECT ${agent:singlequote}", State(START, END, 60, {}))


@pytest.mark.parametrize("left", ["$__unknown(ts)", "$__adHocFilters('t')", "SELECT [[agent]]"])
def test_what_would_be_left_over_is_refused(left: str) -> None:
    with pytest.raises(ValueError, match="left over"):
        expand(left, STATE)


@pytest.mark.parametrize("front_end", ["$__conditionalAll(1, $agent)", "$agent", "${__from}"])
def test_an_alert_knows_the_backends_macros_only(front_end: str) -> None:
    with pytest.raises(ValueError, match="left over"):
        expand(front_end, State(START, END, 60, None))


def test_a_step_of_days_is_no_duration_of_the_plugin() -> None:
    with pytest.raises(ValueError, match="duration"):
        expand("$__timeGroup(ts, 1d)", STATE)


def test_an_interval_is_a_second_at_least() -> None:
    assert expand("$__interval_s", State(START, END, 0, {})) == "1"
