"""Migrations on real engines."""

import pytest

from spanledger.warehouse import (
    ChangedMigration,
    Migration,
    MigrationFailed,
    NewerSchema,
    NotMigrated,
    Target,
    Warehouse,
    applied,
    available,
    connect,
    migrate,
    plan,
    require_migrated,
    target,
)
from spanledger.warehouse import _migrator as migrator
from tests.warehouse._processes import migrate_at_once
from tests.warehouse._rows import call, insert_spans

pytestmark = pytest.mark.storage


def test_an_empty_server_is_brought_to_the_newest_schema(warehouse_url: str) -> None:
    with connect(warehouse_url) as warehouse:
        assert plan(warehouse) == available()
        assert migrate(warehouse) == available()
        assert [record.name for record in applied(warehouse)] == [m.name for m in available()]
        require_migrated(warehouse)
        engine = warehouse.query(
            "SELECT engine FROM system.databases WHERE name = {name:String}",
            name=warehouse.database,
        )
    assert engine == [{"engine": "Atomic"}]


def test_migrating_twice_runs_nothing_the_second_time(fresh_warehouse: Warehouse) -> None:
    sent: list[str] = []
    assert plan(fresh_warehouse) == []
    tracing = Warehouse(
        fresh_warehouse.address, fresh_warehouse._client, lambda sql, _: sent.append(sql)
    )
    assert migrate(tracing) == []
    assert {sql.split()[0] for sql in sent} == {"SELECT"}


def test_a_plan_shows_the_sql_and_changes_nothing(warehouse_url: str) -> None:
    with connect(warehouse_url) as warehouse:
        first, *_ = plan(warehouse)
        shown = first.rendered(target(warehouse))
        assert shown[0].startswith(f"CREATE TABLE IF NOT EXISTS `{warehouse.database}`.otel_traces")
        with pytest.raises(NotMigrated):
            warehouse.query("SELECT 1")


def test_an_unmigrated_database_says_what_to_run(warehouse_url: str) -> None:
    with connect(warehouse_url) as warehouse:
        with pytest.raises(NotMigrated, match="run `spanledger migrate`"):
            warehouse.query("SELECT count() FROM calls")
        missing = ", ".join(map(str, available()))
        with pytest.raises(NotMigrated, match=f"{missing}; run `spanledger migrate`"):
            require_migrated(warehouse)


def test_a_migration_that_failed_half_way_is_simply_run_again(
    fresh_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = available()[-1].number + 1
    whole = (
        "CREATE TABLE IF NOT EXISTS ${database}.half (a UInt8) ENGINE = ${engine:MergeTree} "
        "ORDER BY a;\n"
        "ALTER TABLE ${database}.half ADD COLUMN IF NOT EXISTS b UInt8;\n"
    )
    files = available()
    broken = Migration(number, "half", whole.replace("UInt8;", "NoSuchType;"))
    monkeypatch.setattr(migrator, "available", lambda: [*files, broken])
    with pytest.raises(MigrationFailed, match=f"{broken} stopped at statement 2 of 2"):
        migrate(fresh_warehouse)
    assert fresh_warehouse.query("SELECT count() AS rows FROM half") == [{"rows": 0}]
    assert plan(fresh_warehouse) == [broken]

    mended = Migration(number, "half", whole)
    monkeypatch.setattr(migrator, "available", lambda: [*files, mended])
    assert migrate(fresh_warehouse) == [mended]
    assert fresh_warehouse.query("SELECT a, b FROM half") == []


def test_a_database_of_a_newer_spanledger_is_refused(fresh_warehouse: Warehouse) -> None:
    columns = ["number", "name", "checksum", "version"]
    fresh_warehouse.insert("schema_migrations", columns, [[99, "future", "0" * 64, "9.0"]])
    for use in (migrate, plan, require_migrated):
        with pytest.raises(NewerSchema, match="upgrade spanledger"):
            use(fresh_warehouse)


def test_a_changed_migration_is_refused(fresh_warehouse: Warehouse) -> None:
    columns = ["number", "name", "checksum", "version"]
    fresh_warehouse.insert("schema_migrations", columns, [[1, "landing", "0" * 64, "0.1.0"]])
    with pytest.raises(ChangedMigration, match="0001_landing"):
        migrate(fresh_warehouse)


def test_two_migrators_at_once_do_no_damage(warehouse_url: str) -> None:
    assert migrate_at_once(warehouse_url) == [(0, "")] * 2
    with connect(warehouse_url) as warehouse:
        assert [record.number for record in applied(warehouse)] == [m.number for m in available()]
        insert_spans(warehouse, [call()])
        assert warehouse.query("SELECT count() AS n FROM calls") == [{"n": 1}]


def test_all_statements_can_be_run_again_over_data(fresh_warehouse: Warehouse) -> None:
    insert_spans(fresh_warehouse, [call()])
    for migration in available():
        for statement in migration.rendered(Target(fresh_warehouse.database)):
            fresh_warehouse.command(statement, use_database=False)
    assert fresh_warehouse.query("SELECT count() AS n FROM calls") == [{"n": 1}]
