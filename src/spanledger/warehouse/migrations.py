"""Which migrations there are and which are still to be run. Pure.

A migration is a numbered SQL file; its number and checksum are recorded in the database when it
has been run. Forward only: nothing undoes a migration, a later one corrects it. Every statement
may be run again without harm, so a migration that failed half way is simply run once more, and
two migrators at once do no damage.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise

from spanledger.warehouse._render import Target, render, statements
from spanledger.warehouse.errors import ChangedMigration, InvalidStatement, NewerSchema

_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered SQL file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the source, so it is the same for every target."""
        return sha256(self.sql.encode()).hexdigest()

    def rendered(self, target: Target) -> list[str]:
        """Its statements, ready to run on the target."""
        rendered = (render(statement, target) for statement in statements(self.sql))
        return [sql for sql in rendered if sql]

    def __str__(self) -> str:
        return f"{self.number:04}_{self.name}"


@dataclass(frozen=True, slots=True)
class Applied:
    """What the database says about a migration that was run on it."""

    number: int
    name: str
    checksum: str


def from_files(files: Iterable[tuple[str, str]]) -> list[Migration]:
    """The migrations of (file name, content) pairs, in their order.

    Raises:
        InvalidStatement: a file name is not ``NNNN_name.sql``, or two have the same number.
    """
    found = sorted((_from_file(*file) for file in files), key=lambda migration: migration.number)
    for migration, following in pairwise(found):
        if migration.number == following.number:
            raise InvalidStatement(f"the migrations {migration} and {following} have one number")
    return found


def _from_file(file_name: str, sql: str) -> Migration:
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        raise InvalidStatement(f"{file_name!r} is not named like 0001_name.sql")
    return Migration(int(match[1]), match[2], sql)


def pending(available: Sequence[Migration], applied: Iterable[Applied]) -> list[Migration]:
    """The migrations that are still to be run, in their order.

    Raises:
        NewerSchema: the database has one that ``available`` does not know.
        ChangedMigration: an applied one differs from its file, or one before it is missing.
    """
    done = {record.number: record for record in applied}
    newest = max((migration.number for migration in available), default=0)
    if done and max(done) > newest:
        raise NewerSchema(
            f"the database is at migration {max(done)} and this Spanledger knows {newest}, "
            "and a database is never downgraded; run `pip install --upgrade spanledger`"
        )
    for migration in available:
        if migration.number <= max(done, default=0):
            _check(migration, done.get(migration.number))
    return [migration for migration in available if migration.number not in done]


def _check(migration: Migration, record: Applied | None) -> None:
    if record is None:
        raise ChangedMigration(
            f"the database records later migrations but not {migration}; restore the rows of "
            "schema_migrations from a backup, or start with an empty database"
        )
    if record.checksum != migration.checksum:
        raise ChangedMigration(
            f"migration {migration} was applied from another text than the one installed here; "
            "install the Spanledger that applied it, or a newer release"
        )
