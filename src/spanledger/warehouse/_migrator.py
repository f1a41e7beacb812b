"""Runs migrations on a warehouse."""

from hashlib import sha256
from importlib.metadata import version

from spanledger.warehouse._macros import expand, macros_of
from spanledger.warehouse._reader import READER, reader_sql, views_of
from spanledger.warehouse._reference import load_reference
from spanledger.warehouse._render import Target, render, statements
from spanledger.warehouse._sql import read_all_sql, read_sql
from spanledger.warehouse.client import Warehouse
from spanledger.warehouse.errors import InvalidStatement, MigrationFailed, NotMigrated, QueryFailed
from spanledger.warehouse.migrations import Applied, Migration, from_files, pending

_PACKAGE = "spanledger.warehouse"
_BOOTSTRAP = "bootstrap.sql"
_MACROS = "macros.sql"
_SHORTEST_PASSWORD = 12


def available() -> list[Migration]:
    """The migrations of this Spanledger, in their order."""
    files = dict(read_all_sql(_PACKAGE, "schema"))
    macros = macros_of(files.pop(_MACROS))
    del files[_BOOTSTRAP]
    return from_files((name, expand(sql, macros)) for name, sql in files.items())


def applied(warehouse: Warehouse) -> list[Applied]:
    """The migrations that the database records, in their order."""
    try:
        rows = warehouse.query(
            "SELECT number, name, checksum FROM schema_migrations FINAL ORDER BY number"
        )
    except NotMigrated:
        return []
    return [Applied(row["number"], row["name"], row["checksum"]) for row in rows]


def plan(warehouse: Warehouse) -> list[Migration]:
    """The migrations that ``migrate`` would run; changes nothing.

    ``migration.rendered(target(warehouse, cluster))`` gives the SQL of each.

    Raises:
        NewerSchema: the database is newer than this Spanledger.
        ChangedMigration: the database's record contradicts the files.
    """
    return pending(available(), applied(warehouse))


def target(warehouse: Warehouse, cluster: str | None = None) -> Target:
    """What SQL is rendered for on this warehouse."""
    return Target(warehouse.database, cluster)


def migrate(warehouse: Warehouse, *, cluster: str | None = None) -> list[Migration]:
    """Bring the database to the newest schema and prices; gives the migrations that were run.

    Safe to run again after a failure, and by several processes at once.

    Args:
        warehouse: Where; its database is created if it is not there.
        cluster: Name of the cluster on whose nodes the statements run; None: only here.

    Raises:
        NewerSchema: the database is newer than this Spanledger.
        ChangedMigration: the database's record contradicts the files.
        MigrationFailed: a statement failed.
    """
    to_run = plan(warehouse)
    where = target(warehouse, cluster)
    if to_run:
        _run(warehouse, "bootstrap", bootstrap(where))
    for migration in to_run:
        _run(warehouse, str(migration), migration.rendered(where))
        _record(warehouse, migration)
    load_reference(warehouse, where)
    return to_run


def allow_reader(warehouse: Warehouse, password: str, *, cluster: str | None = None) -> None:
    """Make the user ``spanledger_reader`` for dashboards, or bring it to this release's views.

    It reads views and nothing else, within limits that it can't raise. Views run with rights of
    their own from then on, so that a user who may only insert into landing tables can do that.
    Run it again after each migration. The embedded engine has no users.

    Args:
        warehouse: A migrated database on a server; its user may make users.
        password: Of the reader; 12 characters at the least.
        cluster: Name of the cluster on whose nodes this runs; None: only here.

    Raises:
        InvalidStatement: the password is too short; nothing is changed.
        WarehouseError: a statement failed.
    """
    if len(password) < _SHORTEST_PASSWORD:
        raise InvalidStatement(
            f"the password of {READER} has {len(password)} characters; "
            f"give {_SHORTEST_PASSWORD} at the least"
        )
    hashed = sha256(password.encode()).hexdigest()
    for sql in reader_sql(target(warehouse, cluster), hashed, views_of(available())):
        warehouse.command(sql)


def bootstrap(where: Target) -> list[str]:
    """The statements that create the database and the record of migrations."""
    source = read_sql(_PACKAGE, f"schema/{_BOOTSTRAP}")
    return [render(statement, where) for statement in statements(source)]


def require_migrated(warehouse: Warehouse) -> None:
    """Make sure that the database has the schema that this Spanledger needs.

    Raises:
        NotMigrated: migrations are pending.
        NewerSchema: the database is newer than this Spanledger.
        ChangedMigration: the database's record contradicts the files.
    """
    missing = plan(warehouse)
    if missing:
        names = ", ".join(str(migration) for migration in missing)
        raise NotMigrated(
            f"{warehouse.address} lacks the migrations {names}; run `spanledger migrate`"
        )


def _run(warehouse: Warehouse, name: str, sql: list[str]) -> None:
    for position, statement in enumerate(sql, start=1):
        try:
            warehouse.command(statement, use_database=False)
        except QueryFailed as error:
            raise MigrationFailed(
                f"migration {name} stopped at statement {position} of {len(sql)}, what is before "
                f"it is kept; remove the cause and run `spanledger migrate` again: {error}"
            ) from error


def _record(warehouse: Warehouse, migration: Migration) -> None:
    """As VALUES and not as a block: the driver's first block imports pandas, a second of CPU."""
    warehouse.command(
        "INSERT INTO schema_migrations (number, name, checksum, version) VALUES "
        "({number:UInt32}, {name:String}, {checksum:String}, {version:String})",
        number=migration.number,
        name=migration.name,
        checksum=migration.checksum,
        version=version("spanledger"),
    )
