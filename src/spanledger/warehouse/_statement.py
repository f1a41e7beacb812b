"""Server-side parameters of a statement. Pure."""

import re
from collections.abc import Mapping

from spanledger.warehouse.errors import InvalidStatement

_PARAMETER = re.compile(r"\{\s*(\w+)\s*:")

#: How rows are written: the answer comes when they are in; a re-sent block is a no-op in the
#: landing table and behind its views (spelled out because the defaults of 25.8 and 26.x differ);
#: a batch may hold spans of any number of days.
INSERT_SETTINGS: Mapping[str, str | int] = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_partitions_per_insert_block": 0,
}


def insert_settings(deduplication_token: str | None = None) -> dict[str, str | int]:
    """Settings of one INSERT; the token, if given, stands for the content of its block."""
    settings = dict(INSERT_SETTINGS)
    if deduplication_token:
        settings["insert_deduplication_token"] = deduplication_token
    return settings


def check_parameters(sql: str, parameters: Mapping[str, object]) -> None:
    """Make sure that every value goes to the server beside the statement and never into it.

    Raises:
        InvalidStatement: a parameter has no ``{name:Type}`` in the statement, or none is given
            for one.
    """
    asked = set(_PARAMETER.findall(sql))
    if asked != parameters.keys():
        missing, unknown = sorted(asked - parameters.keys()), sorted(parameters.keys() - asked)
        raise InvalidStatement(
            f"the parameters do not fit the statement: missing {missing or 'none'}, "
            f"not written as {{name:Type}} in it {unknown or 'none'}"
        )
