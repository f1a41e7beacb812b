"""On days of which we know what happened, exactly the right alerts fire, in time, and say so."""

from datetime import timedelta

import pytest
from grafana.builder.alerts import FILE, GROUPS

from tests.grafana.alerts._evaluator import Alerts, Labels, Provisioned, provisioned, run
from tests.grafana.alerts.conftest import Told

pytestmark = pytest.mark.storage

Times = dict[str, dict[str, str]]

#: What fires, and when first.
RUNAWAY: Times = {
    "loop-detected": {"agent=planner": "14:02"},
    "cost-anomaly": {"agent=planner": "14:04"},
    "budget-burn-fast": {
        "budget_window=week limit=$320 rule=weekly scope=global": "14:08",
        "budget_window=day limit=$70 rule=daily scope=global": "14:12",
    },
    "budget-threshold": {"budget_window=day limit=$70 rule=daily scope=global": "14:23"},
    "budget-burn-slow": {"budget_window=day limit=$70 rule=daily scope=global": "14:33"},
    "refusals-rising": {"reason=budget_exhausted rule=daily": "14:36"},
}
OUTAGE: Times = {
    "breaker-open": {"target=anthropic/claude-sonnet-4-5": "10:02"},
    "error-rate": {"provider=anthropic": "10:03"},
    "refusals-rising": {"reason=circuit_open rule=fragile": "10:11"},
}
SILENCE: Times = {"nothing-received": {"": "11:12"}}
ROUGH: Times = {
    "unpriced-calls": {"model=claude-next provider=anthropic": "17:00"},
    "tool-failing": {"tool=read_file": "17:02"},
    "spans-dropped": {"cause=queue_full service=shop": "17:05"},
    "ingestion-delay": {"service=lab": "17:10"},
    "session-cost-drift": {"agent=planner": "17:15"},
    "budget-forecast": {"budget_window=week limit=$320 rule=weekly scope=global": "17:30"},
}


def rules(*, often: bool | None = None) -> list[Provisioned]:
    """What is shipped; `often`: only what is evaluated each minute, or only what is not.

    Without the rule on disks: its number is that of the machine on which the test runs.
    """
    found = [rule for rule in provisioned(FILE) if rule.name != "clickhouse-disk"]
    return [rule for rule in found if often in {None, rule.interval_s == 60}]


def shown(labels: Labels) -> str:
    return " ".join(f"{name}={value}" for name, value in labels)


def fired(alerts: dict[str, Alerts]) -> Times:
    return {
        name: {shown(labels): f"{when:%H:%M}" for labels, when in alert.fired.items()}
        for name, alert in alerts.items()
        if alert.fired
    }


def said(alerts: dict[str, Alerts]) -> dict[str, str]:
    """The first sentence of each rule that fired."""
    return {
        name: next(iter(alert.sentences.values())) for name, alert in alerts.items() if alert.fired
    }


def test_on_a_calm_day_nothing_is_even_pending(told: Told) -> None:
    """Looked at by day and by night, as if no rule waited for anything."""
    day = told("calm_day")
    now = day.at("00:30")
    while now <= day.at("18:00"):
        for name, alert in run(rules(), day.query, now, now).items():
            assert not alert.since, f"{name} at {now:%H:%M}: {alert.since}"
        now += timedelta(minutes=110)


def test_a_runaway_agent_is_told_of_within_minutes_and_long_before_its_budget_is_gone(
    told: Told,
) -> None:
    """It begins at 14:00, and the guard stops it at 14:31."""
    day = told("runaway")
    alerts = run(rules(), day.query, day.at("13:58"), day.at("14:36"))
    assert fired(alerts) == RUNAWAY
    assert said(alerts) == {
        "loop-detected": (
            "Agent planner was caught repeating itself 1 time(s) in the last 15 minutes."
        ),
        "cost-anomaly": (
            "Agent planner cost 5.8 times as much in the last hour as in a costly hour at this"
            " time of day."
        ),
        "budget-burn-fast": (
            "Budget weekly (global, week) burns 7.8 times as fast as its limit of $320 allows,"
            " over the last hour and the last 5 minutes."
        ),
        "budget-threshold": ("Budget daily (global, day) has used 83.64% of its limit of $70."),
        "budget-burn-slow": (
            "Budget daily (global, day) burns 6.2 times as fast as its limit of $70 allows, and"
            " has done so for hours."
        ),
        "refusals-rising": (
            "33 calls were refused in the last 15 minutes by rule daily (budget_exhausted), more"
            " than three times the usual number."
        ),
    }


def test_a_provider_that_fails_is_told_of_by_its_name(told: Told) -> None:
    """From 10:00 on. Neither tools, nor the other provider, nor a budget is accused."""
    day = told("provider_outage")
    alerts = run(rules(), day.query, day.at("09:58"), day.at("10:14"))
    assert fired(alerts) == OUTAGE
    assert said(alerts)["error-rate"] == (
        "64.62% of the calls to anthropic failed in the last 15 minutes."
    )
    assert said(alerts)["breaker-open"] == (
        "The breaker of anthropic/claude-sonnet-4-5 is open in 1 service(s): calls to it are"
        " refused before they are sent."
    )


def test_a_breaker_that_has_closed_is_no_longer_told_of(told: Told) -> None:
    """It closes at 10:59:05; the last call that it held back came at 10:58:50."""
    (rule,) = (rule for rule in rules() if rule.name == "breaker-open")
    day = told("provider_outage")
    open_, closed = (
        run([rule], day.query, day.at(t), day.at(t))[rule.name].firing for t in ("10:59", "11:05")
    )
    assert list(map(shown, open_)) == ["target=anthropic/claude-sonnet-4-5"]
    assert not closed


def test_silence_is_told_of_once_and_by_nothing_else(told: Told) -> None:
    """From 11:00 on nothing comes: other rules have no data, and that is no alarm of theirs."""
    day = told("silent_collector")
    alerts = run(rules(), day.query, day.at("11:04"), day.at("11:14"))
    assert fired(alerts) == SILENCE
    assert said(alerts)["nothing-received"] == (
        "ClickHouse has received nothing for 12m 21s: agents are limited all the same, but nobody"
        " sees what they do."
    )


def test_small_troubles_are_told_apart(told: Told) -> None:
    day = told("rough_day")
    alerts = run(rules(often=True), day.query, day.at("17:00"), day.at("17:12"))
    alerts |= run(rules(often=False), day.query, day.at("17:00"), day.at("17:30"))
    assert fired(alerts) == ROUGH
    assert said(alerts) == {
        "unpriced-calls": (
            "118 calls of model claude-next (anthropic) in the last hour have no price, so their"
            " cost is unknown."
        ),
        "tool-failing": "100% of the calls of tool read_file failed in the last 30 minutes.",
        "spans-dropped": (
            "40 spans or records of shop were dropped in the last 15 minutes (queue_full): costs"
            " in ClickHouse are too low."
        ),
        "ingestion-delay": (
            "The latest spans of lab reach ClickHouse 15m after they end, in half of the last 15"
            " minutes."
        ),
        "session-cost-drift": (
            "A typical session of agent planner cost 2.4 times as much in the last 6 hours as in"
            " the 7 days before."
        ),
        "budget-forecast": (
            "Budget weekly (global, week) would reach 112.3% of its limit of $320 by the end of"
            " its window at the present pace."
        ),
    }


def test_every_rule_has_fired_in_some_story() -> None:
    names = {rule.name for group in GROUPS for rule in group.rules}
    assert names - {"clickhouse-disk"} == set(RUNAWAY | OUTAGE | SILENCE | ROUGH)
