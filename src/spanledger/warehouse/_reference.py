"""Loads prices and dialects into the look-up tables that materialised views read.

Each table is filled beside the one in use and takes its place in one step, so a view never sees
half of one. On a cluster every node has its own: look-ups are in memory.
"""

import json
import secrets
from collections import defaultdict
from hashlib import sha256
from importlib.resources import files

from spanledger.warehouse._render import Target, quote_name, quote_text
from spanledger.warehouse.client import Warehouse

#: Has the digest of what is loaded; exchanged last, so that an interrupted load is done again.
_VERSIONS = "price_versions"
_WHAT = "reference"


def load_reference(warehouse: Warehouse, target: Target) -> bool:
    """Bring the look-up tables of every node to this release; whether there was anything to do.

    Safe to run again, and by several processes at once.

    Raises:
        WarehouseError: a statement failed.
    """
    text = files("spanledger.warehouse").joinpath("data/reference.jsonl").read_text("utf-8")
    digest = sha256(text.encode()).hexdigest()[:16]
    if _loaded(warehouse, target) == {digest}:
        return False
    tables = _tables(text)
    tables[_VERSIONS].append(json.dumps({"what": _WHAT, "version": digest}))
    for table in sorted(tables, key=lambda name: name == _VERSIONS):
        _replace(warehouse, target, table, "\n".join(tables[table]))
    return True


def _tables(text: str) -> dict[str, list[str]]:
    """Rows by table, each still a JSON text."""
    tables: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        table, row = json.loads(line)
        tables[table].append(json.dumps(row))
    return tables


def _loaded(warehouse: Warehouse, target: Target) -> set[str]:
    """The digests on all nodes; an empty text for a node that has none."""
    found = warehouse.query(
        f"SELECT maxIf(version, what = {{what:String}}) AS digest FROM {_everywhere(target)} "  # noqa: S608 - ours
        "GROUP BY hostName(), tcpPort()",
        what=_WHAT,
    )
    nodes = _nodes(warehouse, target)
    return {row["digest"] for row in found} | ({""} if len(found) < nodes else set())


def _everywhere(target: Target, table: str = _VERSIONS) -> str:
    """A table of every node, for reading."""
    place = f"{quote_name(target.database)}.{table}"
    if target.cluster is None:
        return place
    return f"clusterAllReplicas({quote_text(target.cluster)}, {place})"


def _nodes(warehouse: Warehouse, target: Target) -> int:
    if target.cluster is None:
        return 1
    (row,) = warehouse.query(
        f"SELECT count() AS n FROM clusterAllReplicas({quote_text(target.cluster)}, system.one)"  # noqa: S608 - quoted
    )
    return int(row["n"])


def _replace(warehouse: Warehouse, target: Target, table: str, rows: str) -> None:
    database = quote_name(target.database)
    on_cluster = f"ON CLUSTER {quote_text(target.cluster)}" if target.cluster else ""
    fresh = f"{table}_{secrets.token_hex(4)}"
    warehouse.command(f"CREATE TABLE {database}.{fresh} {on_cluster} AS {database}.{table}")
    try:
        _fill(warehouse, target, fresh, rows)
        warehouse.command(f"EXCHANGE TABLES {database}.{fresh} AND {database}.{table} {on_cluster}")
    finally:
        warehouse.command(f"DROP TABLE IF EXISTS {database}.{fresh} {on_cluster} SYNC")


def _fill(warehouse: Warehouse, target: Target, table: str, rows: str) -> None:
    for node in range(1, _nodes(warehouse, target) + 1):
        if target.cluster is None:
            warehouse.insert_json(f"{quote_name(target.database)}.{table}", rows)
        else:
            warehouse.insert_json(f"FUNCTION {_everywhere(target, table)}", rows, node=node)
