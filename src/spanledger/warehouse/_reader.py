"""Least privilege on a server: dashboards read the views and nothing else, writers only write.

Views, and materialised views as well, run with the rights of a user whom nobody can be. So a
reader needs no right on the tables behind them (no landing table, no system table, no url(),
file() or remote()), and who inserts into a landing table needs none on what is behind that. Only
a server has users; the embedded engine has one, behind a token.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from spanledger.warehouse._render import Target, quote_name, quote_text
from spanledger.warehouse.migrations import Migration

READER: Final = "spanledger_reader"
_OWNER: Final = "spanledger_views"
#: Views for ourselves: which roll-ups are to be built.
_INTERNAL: Final = "stale_"
_VIEW: Final = re.compile(r"CREATE (MATERIALIZED )?VIEW IF NOT EXISTS \$\{database\}\.(\w+)")

#: What one dashboard may take. Grafana sets the two that it may change, and fails if it can't.
_LIMITS: Final = (
    "readonly = 1",
    "max_execution_time = 30 MIN 1 MAX 60 CHANGEABLE_IN_READONLY",
    "additional_table_filters CHANGEABLE_IN_READONLY",
    "max_memory_usage = 1000000000",
    "max_memory_usage_for_user = 2000000000",
    "max_threads = 4",
    "max_result_rows = 1000000",
    "result_overflow_mode = 'break'",
    "priority = 2",
)
_QUOTA: Final = "FOR INTERVAL 1 minute MAX queries = 3000, execution_time = 600"


@dataclass(frozen=True, slots=True)
class Views:
    """The views of a schema by their names."""

    readable: tuple[str, ...]
    """Those that people may read."""
    other: tuple[str, ...]
    """Materialised ones, and those for ourselves."""


def views_of(migrations: Iterable[Migration]) -> Views:
    """The views that migrations make."""
    found = {match for migration in migrations for match in _VIEW.findall(migration.sql)}
    names = sorted(name for _, name in found)
    other = {name for kind, name in found if kind or name.startswith(_INTERNAL)}
    return Views(tuple(n for n in names if n not in other), tuple(sorted(other)))


def reader_sql(target: Target, password_sha256: str, views: Views) -> Iterator[str]:
    """The statements that make the reader or bring it to this password and these views."""
    yield from owner_sql(target, views)
    cluster, database = _on_cluster(target), quote_name(target.database)
    identified = f"IDENTIFIED WITH sha256_hash BY {quote_text(password_sha256)}"
    yield f"CREATE SETTINGS PROFILE OR REPLACE {READER}{cluster} SETTINGS {', '.join(_LIMITS)}"
    yield f"CREATE USER IF NOT EXISTS {READER}{cluster} {identified}"
    yield f"ALTER USER {READER}{cluster} {identified} SETTINGS PROFILE {quote_text(READER)}"
    yield f"CREATE QUOTA OR REPLACE {READER}{cluster} {_QUOTA} TO {READER}"
    yield f"REVOKE{cluster} SELECT ON {database}.* FROM {READER}"  # noqa: S608 - ours
    rights = ", ".join(f"SELECT ON {database}.{view}" for view in views.readable)
    yield f"GRANT{cluster} {rights} TO {READER}"


def owner_sql(target: Target, views: Views) -> Iterator[str]:
    """The statements that let all views run with the rights of a user of their own."""
    cluster, database = _on_cluster(target), quote_name(target.database)
    rights = f"SELECT, INSERT ON {database}.*, SELECT ON system.disks, SELECT ON system.parts"
    yield f"CREATE USER IF NOT EXISTS {_OWNER}{cluster} HOST NONE"
    yield f"GRANT{cluster} {rights} TO {_OWNER}"
    for view in (*views.readable, *views.other):
        change = f"MODIFY DEFINER = {_OWNER} SQL SECURITY DEFINER"
        yield f"ALTER TABLE {database}.{view}{cluster} {change}"


def _on_cluster(target: Target) -> str:
    return f" ON CLUSTER {quote_text(target.cluster)}" if target.cluster else ""
