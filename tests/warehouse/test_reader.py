"""Who may do what on a server: attempts as the dashboards' user and as one who only writes."""

from collections.abc import Iterator
from decimal import Decimal
from hashlib import sha256

import pytest

from spanledger.warehouse import (
    READER,
    AccessDenied,
    InvalidStatement,
    Target,
    Warehouse,
    WarehouseError,
    allow_reader,
    available,
    connect,
    migrate,
)
from spanledger.warehouse._reader import Views, reader_sql, views_of
from tests._engines import CLUSTER, ClickHouseServer
from tests.warehouse._rows import SPAN_COLUMNS, Span, call

pytestmark = pytest.mark.storage

PASSWORD = "reader-of-the-test"
WRITER = "only_writes"
FOREIGN = Span(
    span_id="f" * 16,
    status="Error",
    attributes={
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": "1000",
        "gen_ai.usage.output_tokens": "0",
        "error.type": "timeout",
    },
)


@pytest.fixture(scope="module", params=["alone", "cluster"])
def admin(request: pytest.FixtureRequest) -> Iterator[Warehouse]:
    """A migrated database with both users, on a server alone and on a cluster."""
    alone = request.param == "alone"
    server: ClickHouseServer = request.getfixturevalue("server" if alone else "cluster_server")
    cluster = None if alone else CLUSTER
    with connect(server.url("guarded")) as admin:
        migrate(admin, cluster=cluster)
        for _ in range(2):
            allow_reader(admin, PASSWORD, cluster=cluster)
        admin.command(f"CREATE USER {WRITER} IDENTIFIED BY '{PASSWORD}'")
        admin.command(f"GRANT INSERT ON guarded.otel_traces TO {WRITER}")
        yield admin
        where = "" if alone else f"ON CLUSTER {CLUSTER}"
        for what in (f"USER {WRITER}", f"USER {READER}", f"DATABASE guarded {where} SYNC"):
            admin.command(f"DROP {what}", use_database=False)


def as_user(admin: Warehouse, user: str) -> Warehouse:
    address = admin.address
    return connect(f"http://{user}:{PASSWORD}@{address.host}:{address.port}/{address.database}")


@pytest.fixture(scope="module")
def reader(admin: Warehouse) -> Iterator[Warehouse]:
    with as_user(admin, READER) as reader:
        yield reader


def test_who_may_only_insert_fills_every_table_and_reads_none(
    admin: Warehouse, reader: Warehouse
) -> None:
    rows = [call(1, 5).row(), FOREIGN.row()]
    with as_user(admin, WRITER) as writer:
        writer.insert("otel_traces", SPAN_COLUMNS, rows)
        with pytest.raises(AccessDenied):
            writer.query("SELECT * FROM otel_traces")
        with pytest.raises(AccessDenied):
            writer.query("SELECT * FROM calls")
    costs = reader.query("SELECT model, cost_usd FROM cost_hourly ORDER BY model")
    assert [tuple(row.values()) for row in costs] == [
        ("gpt-4o", Decimal("0.0025")),
        ("gpt-x", Decimal("0.000000005")),
    ]
    assert [row["error_type"] for row in reader.query("SELECT * FROM errors")] == ["timeout"]


def test_every_public_view_can_be_read(reader: Warehouse) -> None:
    views = views_of(available()).readable
    assert {"calls", "cost_daily", "errors", "spans", "storage"} <= set(views)
    for view in views:
        reader.query(f"SELECT * FROM {view} LIMIT 1")  # noqa: S608 - ours


def test_roll_ups_are_built_with_the_rights_of_the_views_own_user(
    admin: Warehouse, reader: Warehouse
) -> None:
    admin.insert("otel_traces", SPAN_COLUMNS, [call(7, 9).row()])
    admin.command("SYSTEM REFRESH VIEW calls_hourly_mv")
    admin.command("SYSTEM WAIT VIEW calls_hourly_mv")
    (built,) = admin.query("SELECT count() > 0 AS any FROM calls_hourly")
    assert built["any"]
    (seen,) = reader.query("SELECT sum(calls) > 0 AS any FROM cost_hourly")
    assert seen["any"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count() FROM llm_calls",
        "SELECT * FROM otel_traces",
        "SELECT * FROM stale_hours",
        "SELECT * FROM schema_migrations",
        "SELECT * FROM view(SELECT * FROM guarded.otel_logs)",
        "SELECT * FROM url('http://127.0.0.1:1/x', 'CSV', 'a String')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1', system.one)",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/x', 'CSV', 'a String')",
        "SELECT * FROM executable('x', 'CSV', 'a String')",
        "SELECT * FROM system.parts",
        "SELECT * FROM system.users",
        "SELECT * FROM system.processes",
        "SHOW CREATE TABLE otel_traces",
        "DESCRIBE TABLE otel_traces",
    ],
)
def test_the_reader_reads_views_and_nothing_else(reader: Warehouse, statement: str) -> None:
    with pytest.raises(AccessDenied, match=READER):
        reader.query(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO calls (service) VALUES ('x')",
        "INSERT INTO FUNCTION file('x.csv', 'CSV', 'a String') VALUES ('x')",
        "CREATE TABLE mine (a Int8) ENGINE = Memory",
        "CREATE TEMPORARY TABLE mine (a Int8)",
        "CREATE USER other",
        "DROP VIEW calls",
        "ALTER TABLE calls MODIFY SQL SECURITY NONE",
        "GRANT SELECT ON *.* TO spanledger_reader",
        "SYSTEM DROP MARK CACHE",
        "SET readonly = 0",
    ],
)
def test_the_reader_changes_nothing(reader: Warehouse, statement: str) -> None:
    with pytest.raises(WarehouseError, match=r"(?i)may not do this|readonly"):
        reader.command(statement)


@pytest.mark.parametrize(
    "setting",
    ["max_execution_time = 90", "max_execution_time = 0", "max_memory_usage = 0",
     "max_threads = 64", "max_result_rows = 0", "readonly = 0", "priority = 0"],
)  # fmt: skip
def test_the_reader_cannot_raise_its_limits(reader: Warehouse, setting: str) -> None:
    with pytest.raises(WarehouseError, match=r"SETTING_CONSTRAINT_VIOLATION|READONLY"):
        reader.query(f"SELECT 1 SETTINGS {setting}")


def test_what_grafana_sets_for_itself_is_allowed(reader: Warehouse) -> None:
    reader.query(
        "SELECT 1 SETTINGS max_execution_time = 60, additional_table_filters = {'calls': '1'}"
    )


def test_tables_of_others_are_not_even_listed(reader: Warehouse) -> None:
    seen = {row["name"] for row in reader.query("SHOW TABLES")}
    assert "calls" in seen
    assert not seen & {"otel_traces", "llm_calls", "stale_hours", "schema_migrations"}


def test_nobody_can_be_the_user_whose_rights_the_views_have(admin: Warehouse) -> None:
    with pytest.raises(WarehouseError):
        as_user(admin, "spanledger_views")


def test_a_second_database_takes_nothing_from_the_reader_of_the_first(admin: Warehouse) -> None:
    admin.command("CREATE DATABASE second", use_database=False)
    admin.command("CREATE VIEW second.calls AS SELECT 2 AS n", use_database=False)
    hashed = sha256(PASSWORD.encode()).hexdigest()
    try:
        for sql in reader_sql(Target("second"), hashed, Views(("calls",), ())):
            admin.command(sql)
        with as_user(admin, READER) as reader:
            assert reader.query("SELECT n FROM second.calls") == [{"n": 2}]
            reader.query("SELECT count() FROM guarded.calls")
    finally:
        admin.command("DROP DATABASE second SYNC", use_database=False)


def test_a_short_password_is_refused_and_nothing_is_changed(admin: Warehouse) -> None:
    with pytest.raises(InvalidStatement, match="has 5 characters; give 12"):
        allow_reader(admin, "short")
    with as_user(admin, READER) as reader:
        assert reader.query("SELECT 1 AS one") == [{"one": 1}]
