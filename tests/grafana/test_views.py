"""The views that only dashboards read say the same as the rows that they are made of."""

from datetime import UTC, datetime

import pytest

from spanledger.warehouse import Warehouse, connect, migrate
from tests._engines import ClickHouseServer
from tests.grafana.conftest import Databases

pytestmark = pytest.mark.storage


def _one(warehouse: Warehouse, sql: str) -> tuple[object, ...]:
    (row,) = warehouse.query(sql)
    return tuple(row.values())


@pytest.mark.parametrize(
    ("rolled_up", "rows"),
    [
        (
            "SELECT sum(calls), sum(failed_calls), sum(duration_us) FROM tools_usage",
            "SELECT count(), countIf(status = 'Error'), sum(duration_us) FROM tools",
        ),
        (
            "SELECT sum(runs), sum(failed_runs), sum(subtree_calls), sum(subtree_cost_usd) "
            "FROM runs_usage",
            "SELECT count(), countIf(status = 'Error'), sum(subtree_calls), sum(subtree_cost_usd) "
            "FROM agent_runs",
        ),
        (
            "SELECT sum(calls), sum(cost_usd), uniqExact(session_id) FROM session_hours",
            "SELECT count(), sum(cost_usd), uniqExact(session_id) FROM calls "
            "WHERE session_id != ''",
        ),
        (
            "SELECT sum(calls), sum(cost_usd), uniqExact(user_id) FROM user_hours",
            "SELECT count(), sum(cost_usd), uniqExact(user_id) FROM calls WHERE user_id != ''",
        ),
        ("SELECT sum(spans) FROM received_minutes", "SELECT count() FROM spans"),
    ],
)
def test_a_roll_up_is_the_sum_of_its_rows(databases: Databases, rolled_up: str, rows: str) -> None:
    assert _one(databases.seeded, rolled_up) == _one(databases.seeded, rows)


def test_the_built_forecast_is_the_forecast(databases: Databases) -> None:
    # Sums of floats differ in their last digits by the order of the rows.
    sql = "SELECT count(), round(sum(expected)) FROM {}"
    built = _one(databases.seeded, sql.format("forecast_latest"))
    assert built == _one(databases.seeded, sql.format("forecast_daily"))


def test_prices_are_those_that_calls_are_billed_by(databases: Databases) -> None:
    """Also of a model that the list has by a pattern only."""
    rows = databases.seeded.query(
        "SELECT model, input_usd * 1e6 AS input, cache_read_usd * 1e6 AS cached FROM model_prices "
        "WHERE provider IN ('anthropic', 'openai')"
    )
    prices = {row["model"]: (round(row["input"], 6), round(row["cached"], 6)) for row in rows}
    assert prices["claude-sonnet-4-5"] == (3.0, 0.3)
    assert prices["gpt-4o"] == (2.5, 1.25)


def test_a_release_is_known_from_its_first_span_on(databases: Databases) -> None:
    rows = databases.seeded.query(
        "SELECT version, ts, last_seen_at FROM deployments WHERE service = 'shop' ORDER BY ts"
    )
    assert [row["version"] for row in rows] == ["1.9.0", "2.0.0"]
    assert rows[0]["last_seen_at"] < rows[1]["ts"]


def test_calls_of_coding_agents_are_priced(databases: Databases) -> None:
    """Claude Code says what a request cost; those of the others are computed."""
    rows = databases.seeded.query(
        "SELECT agent, any(cost_provenance) AS provenance, toFloat64(min(cost_usd)) AS least, "
        "toFloat64(max(cost_usd)) AS most FROM calls "
        "WHERE agent IN ('claude-code', 'codex', 'gemini-cli') GROUP BY agent ORDER BY agent"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("claude-code", "estimated", 0.0125, 0.0125),
        ("codex", "computed", 0.02, 0.02),
        ("gemini-cli", "computed", 0.0105, 0.0105),
    ]


_LOGS = ("Timestamp", "ServiceName", "Body", "EventName", "LogAttributes")


def test_a_record_of_a_coding_agent_that_is_sent_twice_counts_once(
    grafana_server: ClickHouseServer,
) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    said = {
        "session.id": "s1",
        "model": "claude-sonnet-4-5",
        "cost_usd": "0.01",
        "input_tokens": "10",
        "output_tokens": "20",
        "cache_read_tokens": "300",
        "cache_creation_tokens": "4000",
    }
    row = (at, "claude-code", "claude_code.api_request", "", said)
    with connect(grafana_server.url("twice")) as warehouse:
        migrate(warehouse)
        warehouse.insert("otel_logs", _LOGS, [row], deduplication_token="first")
        warehouse.insert("otel_logs", _LOGS, [row], deduplication_token="again")
        assert _one(warehouse, "SELECT count(), sum(calls) FROM session_hours") == (1, 1)
        assert _one(warehouse, "SELECT count() FROM coding_agent_events") == (1,)
        call = _one(warehouse, "SELECT input_tokens, output_tokens, toString(cost_usd) FROM calls")
        assert call == (4310, 20, "0.01")


def test_other_logs_are_no_coding_agents(grafana_server: ClickHouseServer) -> None:
    at = datetime.now(UTC)
    rows = [
        (at, "shop", "claude_code.api_request failed", "", {}),
        (at, "shop", "", "codex.unheard_of", {}),
        (at, "shop", "hello", "", {"event.name": "api_request"}),
    ]
    with connect(grafana_server.url("others")) as warehouse:
        migrate(warehouse)
        warehouse.insert("otel_logs", _LOGS, rows)
        assert _one(warehouse, "SELECT count() FROM coding_agent_events") == (0,)
        assert _one(warehouse, "SELECT count() FROM calls") == (0,)
