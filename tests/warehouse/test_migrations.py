"""Which migrations are still to be run."""

import pytest

from spanledger.warehouse import (
    Applied,
    ChangedMigration,
    InvalidStatement,
    Migration,
    NewerSchema,
    Target,
    available,
)
from spanledger.warehouse.migrations import from_files, pending

ONE, TWO, THREE = (Migration(number, f"m{number}", f"SELECT {number}") for number in (1, 2, 3))
ALL = [ONE, TWO, THREE]


def record(migration: Migration) -> Applied:
    return Applied(migration.number, migration.name, migration.checksum)


def test_on_an_empty_database_everything_is_pending_in_order() -> None:
    assert pending(ALL, []) == ALL


def test_what_is_recorded_is_not_pending() -> None:
    assert pending(ALL, [record(ONE), record(TWO)]) == [THREE]
    assert pending(ALL, map(record, ALL)) == []


def test_a_database_of_a_newer_release_is_refused() -> None:
    with pytest.raises(NewerSchema, match="at migration 3 and this Spanledger knows 2"):
        pending([ONE, TWO], map(record, ALL))


def test_a_migration_applied_from_another_text_is_refused() -> None:
    with pytest.raises(ChangedMigration, match="0001_m1 was applied from another text"):
        pending(ALL, [Applied(1, "m1", "0" * 64)])


def test_a_record_with_a_hole_is_refused() -> None:
    with pytest.raises(ChangedMigration, match="not 0001_m1"):
        pending(ALL, [record(TWO)])


def test_files_are_put_in_the_order_of_their_numbers() -> None:
    found = from_files([("0002_b.sql", "SELECT 2"), ("0001_a.sql", "SELECT 1")])
    assert [str(migration) for migration in found] == ["0001_a", "0002_b"]


@pytest.mark.parametrize("names", [["1_a.sql"], ["0001_a.sql", "0001_b.sql"]])
def test_badly_named_or_numbered_files_are_refused(names: list[str]) -> None:
    with pytest.raises(InvalidStatement):
        from_files((name, "SELECT 1") for name in names)


def test_the_checksum_is_that_of_the_source_and_not_of_a_rendering() -> None:
    migration = Migration(1, "a", "CREATE DATABASE ${database}")
    assert migration.rendered(Target("x")) != migration.rendered(Target("y"))
    assert migration.checksum == Migration(9, "other", migration.sql).checksum


def test_the_shipped_migrations_are_found() -> None:
    assert [str(migration) for migration in available()][:2] == ["0001_landing", "0002_calls"]
