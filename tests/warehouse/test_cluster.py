"""The schema ON CLUSTER with replicated tables, really executed."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from spanledger.warehouse import Warehouse, applied, available, connect, migrate, plan
from tests._engines import CLUSTER, ClickHouseServer
from tests.warehouse._processes import migrate_at_once
from tests.warehouse._rows import SPAN_COLUMNS, Span, call, insert_spans

pytestmark = pytest.mark.storage


@pytest.fixture(params=[CLUSTER, "{cluster}"])
def cluster(request: pytest.FixtureRequest) -> str:
    """The cluster by its name, and by the server's macro for it."""
    return str(request.param)


@pytest.fixture
def clustered(cluster_server: ClickHouseServer, cluster: str) -> Iterator[Warehouse]:
    with connect(cluster_server.url("clustered")) as warehouse:
        migrate(warehouse, cluster=cluster)
        yield warehouse
        warehouse.command(
            f"DROP DATABASE clustered ON CLUSTER '{cluster}' SYNC", use_database=False
        )


def test_every_table_is_replicated_and_recorded(clustered: Warehouse, cluster: str) -> None:
    """But for results that each node builds for itself, every few minutes, and throws away."""
    engines = clustered.query(
        "SELECT name, engine FROM system.tables WHERE database = {db:String} "
        "AND engine LIKE '%MergeTree' AND NOT endsWith(name, '_builds')",
        db=clustered.database,
    )
    assert len(engines) > 10
    assert [row["name"] for row in engines if not row["engine"].startswith("Replicated")] == []
    assert [record.number for record in applied(clustered)] == [m.number for m in available()]
    assert plan(clustered) == []
    assert migrate(clustered, cluster=cluster) == []


def test_the_record_of_migrations_is_shared_by_all_shards(clustered: Warehouse) -> None:
    (row,) = clustered.query(
        "SELECT zookeeper_path, replica_name FROM system.replicas "
        "WHERE database = {db:String} AND table = 'schema_migrations'",
        db=clustered.database,
    )
    assert row["zookeeper_path"].rpartition("/")[0] == "/clickhouse/tables"
    assert row["replica_name"] == "1_1"


def test_calls_count_once_in_replicated_tables_too(clustered: Warehouse) -> None:
    spans = [call(number, number) for number in range(1, 101)]
    for part in (spans, spans, spans[:40], list(reversed(spans))):
        insert_spans(clustered, part, deduplication_token=None)
    (row,) = clustered.query("SELECT count() AS n, sum(cost_usd) AS cost_usd FROM calls")
    assert row == {"n": 100, "cost_usd": Decimal("0.000005050")}
    (landed,) = clustered.query("SELECT count() AS n FROM otel_traces")
    assert landed == {"n": 240}


def test_spans_written_to_the_table_over_all_shards_are_typed_priced_and_rolled_up(
    clustered: Warehouse,
) -> None:
    foreign = Span(
        span_id="f" * 16,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": "1000",
            "gen_ai.usage.output_tokens": "0",
        },
    )
    rows = [span.row() for span in (call(1, 5), foreign)]
    for _ in range(2):
        clustered.command("SYSTEM FLUSH DISTRIBUTED otel_traces_all")
        clustered.insert("otel_traces_all", SPAN_COLUMNS, rows)
    clustered.command("SYSTEM FLUSH DISTRIBUTED otel_traces_all")
    for view in ("cost_hourly", "cost_daily", "sessions"):
        (row,) = clustered.query(
            f"SELECT sum(calls) AS n, sum(cost_usd) AS usd FROM {view}"  # noqa: S608 - ours
        )
        expected = (2, Decimal("0.002500005")) if view != "sessions" else (1, Decimal(5) / 10**9)
        assert tuple(row.values()) == expected
        clustered.command("SYSTEM REFRESH VIEW calls_hourly_mv")
        clustered.command("SYSTEM WAIT VIEW calls_hourly_mv")


def test_three_migrators_at_once_on_a_cluster_do_no_damage(
    cluster_server: ClickHouseServer,
) -> None:
    url = cluster_server.url("contested")
    assert migrate_at_once(url, processes=3, cluster=CLUSTER) == [(0, "")] * 3
    with connect(url) as warehouse:
        assert plan(warehouse) == []
        warehouse.command(f"DROP DATABASE contested ON CLUSTER {CLUSTER} SYNC", use_database=False)
