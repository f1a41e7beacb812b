"""What rules do where a story has nothing to say: no rows at all, no answer, disks."""

from datetime import timedelta

import pytest
from grafana.builder.alerts import FILE

from spanledger.warehouse import Warehouse, connect
from tests._engines import ClickHouseServer
from tests.grafana.alerts._evaluator import (
    FAILED,
    NotANumberTable,
    Provisioned,
    number_table,
    provisioned,
    run,
)
from tests.grafana.alerts.conftest import Told, reader_url
from tests.grafana.stories import DAY

pytestmark = pytest.mark.storage


def rule(name: str) -> Provisioned:
    (found,) = (rule for rule in provisioned(FILE) if rule.name == name)
    return found


def test_a_time_without_a_row_is_silence_and_nothing_else(told: Told) -> None:
    rules = [rule for rule in provisioned(FILE) if rule.name != "clickhouse-disk"]
    day = told("nothing")
    alerts = run(rules, day.query, day.at("12:00"), day.at("12:02"))
    assert {name: alert.sentences for name, alert in alerts.items() if alert.since} == {
        "nothing-received": {
            (): "ClickHouse has received nothing for 1d: agents are limited all the same, but"
            " nobody sees what they do."
        }
    }


def test_a_clickhouse_that_gives_no_answer_is_told_by_one_rule(
    alert_server: ClickHouseServer, owner: Warehouse
) -> None:
    """Sixteen alerts of one cause would help nobody."""
    assert owner.query("SELECT 1 AS one")
    with connect(reader_url(alert_server, "no_such_database")) as reader:
        alerts = run(provisioned(FILE), reader.query, DAY, DAY + timedelta(minutes=2))
    assert {name: alert.firing for name, alert in alerts.items() if alert.since} == {
        "nothing-received": {FAILED}
    }


def test_the_rule_on_disks_sees_them_through_a_view(told: Told) -> None:
    """Whether it fires depends on the machine; what it compares is how full each disk is."""
    numbers = number_table(told("nothing").query(rule("clickhouse-disk").sql(DAY)))
    (((label, disk),), used) = next(iter(numbers.items()))
    assert (label, disk) == ("disk", "default")
    assert 0 < used < 1


@pytest.mark.parametrize(
    "row", [{"a": "x"}, {"a": "x", "n": 1, "m": 2}, {"a": "x", "n": True}, {"a": "x", "n": None}]
)
def test_an_answer_that_grafana_would_refuse_is_refused_here(row: dict[str, object]) -> None:
    with pytest.raises(NotANumberTable):
        number_table([row])
