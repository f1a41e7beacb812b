"""From one SQL source to the statements of one deployment. Pure.

A source is written once and rendered for where it runs: an embedded engine and a single server
take it alike; with a cluster name the DDL goes ``ON CLUSTER`` and the tables are replicated.

=============================  ====================  ==========================================
placeholder                    alone                 on a cluster
=============================  ====================  ==========================================
``${database}``                quoted name           quoted name
``${database_text}``           as a text             as a text
``${on_cluster}``              nothing               ``ON CLUSTER 'name'``
``${engine:X(args)}``          ``X(args)``           ``ReplicatedX(args)``, per shard
``${engine_everywhere:X(…)}``  ``X(…)``              the same rows on every node of every shard
``${deduplication}``           window of blocks      window of blocks, kept for a week
``${all}``                     nothing               ``_all``: the name of a table over all shards
``${distributed:table key}``   no statement          ``CREATE TABLE table_all``, sharded by the key
=============================  ====================  ==========================================
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from spanledger.warehouse.errors import InvalidStatement

_PLACEHOLDER = re.compile(r"( ?)\$\{(?P<name>\w+)(?::(?P<argument>[^}]*))?\}")
_ENGINE = re.compile(r"(?P<name>\w+)(?:\((?P<arguments>.*)\))?")
_TOKEN = re.compile(
    r"""
      '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `(?:[^`\\]|\\.)*`   # quoted: left as it is
    | (?P<comment> --[^\n]*\n? | /\*.*?\*/ )
    | (?P<end> ; )
    | [^'"`;/-]+ | .
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCKS = 10_000
_WEEK_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Target:
    """Where SQL is rendered for."""

    database: str
    cluster: str | None = None
    """Name of the cluster (may be a macro like ``{cluster}``); None without one."""


def statements(sql: str) -> list[str]:
    """The statements of a source, without comments and without the semicolons between them."""
    return [text for text in (part.strip() for part in _parts(sql)) if text]


def _parts(sql: str) -> Iterator[str]:
    part: list[str] = []
    for token in _TOKEN.finditer(sql):
        if token["end"]:
            yield "".join(part)
            part = []
        elif not token["comment"]:
            part.append(token[0])
    yield "".join(part)


def render(statement: str, target: Target) -> str:
    """Fill in the placeholders of one statement.

    Raises:
        InvalidStatement: a placeholder has a name that is not in the table above.
    """

    def fill(match: re.Match[str]) -> str:
        text = _fill(match["name"], match["argument"] or "", target)
        # An empty one takes the space before it away, too.
        return match[1] + text if text else ""

    return _PLACEHOLDER.sub(fill, statement)


def _fill(name: str, argument: str, target: Target) -> str:
    if name == "database":
        return quote_name(target.database)
    if name == "database_text":
        return quote_text(target.database)
    if name == "deduplication":
        return _deduplication(target)
    fills = {
        "on_cluster": _on_cluster,
        "engine": _replicated,
        "engine_everywhere": _everywhere,
        "all": _all,
        "distributed": _distributed,
    }
    if name in fills:
        alone = argument if name.startswith("engine") else ""
        return fills[name](argument, target) if target.cluster else alone
    raise InvalidStatement(f"unknown placeholder ${{{name}}} in a migration; known: see _render")


def _on_cluster(_argument: str, target: Target) -> str:
    return f"ON CLUSTER {quote_text(target.cluster or '')}"


def _replicated(engine: str, _target: Target) -> str:
    return f"Replicated{engine}"


def _all(_argument: str, _target: Target) -> str:
    return "_all"


def _everywhere(engine: str, _target: Target) -> str:
    """One replication group over all shards: its path does not name the shard."""
    match = _ENGINE.fullmatch(engine)
    if match is None:
        raise InvalidStatement(f"{engine!r} is not an engine")
    place = "'/clickhouse/tables/{uuid}', '{shard}_{replica}'"
    arguments = f", {match['arguments']}" if match["arguments"] else ""
    return f"Replicated{match['name']}({place}{arguments})"


def _distributed(argument: str, target: Target) -> str:
    """A table over the shards of a cluster; alone there is nothing to put together."""
    table, _, key = argument.partition(" ")
    database, cluster = quote_name(target.database), quote_text(target.cluster or "")
    return (
        f"CREATE TABLE IF NOT EXISTS {database}.{table}_all ON CLUSTER {cluster} "
        f"AS {database}.{table} "
        f"ENGINE = Distributed({cluster}, {quote_text(target.database)}, {table}, {key})"
    )


def _deduplication(target: Target) -> str:
    """A replicated table forgets after an hour by default: an outage lasts longer."""
    if target.cluster:
        return (
            f"replicated_deduplication_window = {_BLOCKS}, "
            f"replicated_deduplication_window_seconds = {_WEEK_S}"
        )
    return f"non_replicated_deduplication_window = {_BLOCKS}"


def quote_name(name: str) -> str:
    """A database, table or column name as ClickHouse reads it."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_text(text: str) -> str:
    """A string literal as ClickHouse reads it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
