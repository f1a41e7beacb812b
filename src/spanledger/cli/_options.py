"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """``--json``: one JSON document on stdout instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(
        function
    )


def data_dir_option(function: F) -> F:
    """``--data-dir``: which local stack."""
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the local stack.  [default: $SPANLEDGER_DATA_DIR, else "
        "~/.local/share/spanledger]",
    )(function)


def url_option(function: F) -> F:
    """``--url``: which ClickHouse."""
    return click.option(
        "--url",
        metavar="URL",
        help="ClickHouse, as http://user:password@host:8123/database.  [default: "
        "$SPANLEDGER_CLICKHOUSE_URL, else the local stack]",
    )(function)
