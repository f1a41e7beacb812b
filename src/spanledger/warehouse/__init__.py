"""ClickHouse: the schema, its migrations, and a client over ClickHouse's HTTP interface.

>>> from spanledger.warehouse import connect, migrate
>>> warehouse = connect("http://user:password@127.0.0.1:8123/spanledger")  # doctest: +SKIP
>>> migrate(warehouse)  # doctest: +SKIP
"""

from spanledger.warehouse._migrator import (
    allow_reader,
    applied,
    available,
    bootstrap,
    migrate,
    plan,
    require_migrated,
    target,
)
from spanledger.warehouse._reader import READER
from spanledger.warehouse._render import Target, quote_name
from spanledger.warehouse._retention import KEPT, retain
from spanledger.warehouse._sql import read_sql
from spanledger.warehouse._statement import insert_settings
from spanledger.warehouse._url import DEFAULT_DATABASE, Address, parse_url
from spanledger.warehouse.client import URL_VARIABLE, Warehouse, connect
from spanledger.warehouse.errors import (
    AccessDenied,
    ChangedMigration,
    DriverMissing,
    InvalidStatement,
    InvalidUrl,
    MigrationFailed,
    NewerSchema,
    NotMigrated,
    QueryFailed,
    WarehouseError,
    WarehouseUnreachable,
)
from spanledger.warehouse.migrations import Applied, Migration

__all__ = [
    "DEFAULT_DATABASE",
    "KEPT",
    "READER",
    "URL_VARIABLE",
    "AccessDenied",
    "Address",
    "Applied",
    "ChangedMigration",
    "DriverMissing",
    "InvalidStatement",
    "InvalidUrl",
    "Migration",
    "MigrationFailed",
    "NewerSchema",
    "NotMigrated",
    "QueryFailed",
    "Target",
    "Warehouse",
    "WarehouseError",
    "WarehouseUnreachable",
    "allow_reader",
    "applied",
    "available",
    "bootstrap",
    "connect",
    "insert_settings",
    "migrate",
    "parse_url",
    "plan",
    "quote_name",
    "read_sql",
    "require_migrated",
    "retain",
    "target",
]
