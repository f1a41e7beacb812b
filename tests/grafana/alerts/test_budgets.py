"""The rules on budgets where the counters of several processes come under one name."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from grafana.builder.alerts import FILE

from spanledger import semconv
from spanledger.warehouse import Warehouse
from tests.grafana.alerts._evaluator import number_table, provisioned
from tests.grafana.alerts.conftest import Day, Told
from tests.grafana.stories import DAY, GAUGES, at

pytestmark = pytest.mark.storage

#: The hour in which the points below are told.
START, NOW = at("12:00"), at("13:00")
LIMIT = 100.0
Points = list[tuple[datetime, str, float]]
#: Of the table of gauges.
Row = tuple[str, str, dict[str, str], dict[str, str], datetime, datetime, float]


def minutes(*, first: int = 0, last: int = 59, every: int = 1) -> Iterator[datetime]:
    for minute in range(first, last + 1, every):
        yield START + timedelta(minutes=minute, seconds=7)


def two_ledgers() -> Points:
    """Two hosts, each with a ledger of its own: both stand still, one at 5, one at 50."""
    return [(now, host, spent) for now in minutes() for host, spent in (("a", 5.0), ("b", 50.0))]


def short_lives() -> Points:
    """A job each five minutes, a new process each, one ledger: sixty cents a minute."""
    return [
        (now, f"job-{now:%M}", 20 + 0.6 * ((now - START) / timedelta(minutes=1)))
        for now in minutes(every=5, last=55)
    ]


def late_start() -> Points:
    """A process that begins at 12:40, when 60 was spent already."""
    return [(now, "a", 60.0) for now in minutes(first=40)]


def new_limit() -> Points:
    """It is reset by hand at 12:30."""
    return [(now, "a", 90.0 if now < at("12:30") else 1.0) for now in minutes()]


BUDGETS = {
    "two ledgers": two_ledgers,
    "short lives": short_lives,
    "late start": late_start,
    "reset by hand": new_limit,
}


def rows(rule: str, points: Points, *, scope: str = "global", window: str = "day",
         metric: str = "cost") -> Iterator[Row]:  # fmt: skip
    """The gauges of these points: time, process, spent."""
    labels = {
        semconv.GUARD_RULE: rule,
        semconv.GUARD_SCOPE: scope,
        semconv.GUARD_METRIC: metric,
        semconv.GUARD_WINDOW: window,
    }
    for now, process, spent in points:
        resource = {semconv.SERVICE_NAME: "shop", "service.instance.id": process}
        left = (DAY + timedelta(days=1) - now).total_seconds()
        for name, value in (
            (semconv.METRIC_BUDGET_LIMIT, LIMIT),
            (semconv.METRIC_BUDGET_SPENT, spent),
            (semconv.METRIC_BUDGET_RESETS_IN, left),
        ):
            yield "shop", name, labels, resource, now, now, value


@pytest.fixture(scope="module")
def budgets(told: Told, owner: Warehouse) -> Day:
    """A day on which only budgets are told of."""
    day, used_up = told("budgets"), [(now, "a", 99.0) for now in minutes()]
    found = [row for name, points in BUDGETS.items() for row in rows(name, points())]
    found += rows("of a session", used_up, scope="session 4711")
    found += rows("of an hour", used_up, window="hour")
    found += rows("in tokens", used_up, metric="tokens")
    moved = [(*row[:4], day.shift + row[4], day.shift + row[5], row[6]) for row in found]
    owner.insert("otel_metrics_gauge", list(GAUGES), moved)
    return day


def numbers(day: Day, name: str, now: datetime = NOW) -> dict[str, float]:
    """What a rule finds, by budget."""
    (rule,) = (rule for rule in provisioned(FILE) if rule.name == name)
    found = number_table(day.query(rule.sql(now + day.shift)))
    return {dict(labels)["rule"]: round(number, 2) for labels, number in found.items()}


def test_of_several_ledgers_the_fullest_is_told(budgets: Day) -> None:
    assert numbers(budgets, "budget-threshold") == {
        "two ledgers": 0.5,
        "short lives": 0.53,
        "late start": 0.6,
        "reset by hand": 0.01,
        "in tokens": 0.99,
    }


def test_only_what_was_added_burns(budgets: Day) -> None:
    """$30 in an hour is 7.2 times as fast as $100 a day allows. Another ledger's number, a process
    that has just begun and a reset are no spending."""
    assert numbers(budgets, "budget-burn-fast") == {
        "two ledgers": 0,
        "short lives": 7.2,
        "late start": 0,
        "reset by hand": 0,
        "in tokens": 0,
    }


def test_what_was_spent_before_midnight_is_not_counted_into_the_new_day(budgets: Day) -> None:
    """Nobody has told anything of it yet."""
    assert numbers(budgets, "budget-burn-fast", DAY + timedelta(days=1, minutes=1)) == {}


def test_a_limit_is_shown_in_the_unit_in_which_it_is_written(budgets: Day) -> None:
    (rule,) = (rule for rule in provisioned(FILE) if rule.name == "budget-threshold")
    limits = {
        dict(labels)["limit"]
        for labels in number_table(budgets.query(rule.sql(NOW + budgets.shift)))
    }
    assert limits == {"$100", "100 tokens"}
