"""Which warehouse and which local stack a command is about."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanledger import stack
from spanledger.cli._errors import CliError
from spanledger.config import Settings, find_file, load_settings, read_document
from spanledger.warehouse import Warehouse, connect, require_migrated


def settings() -> Settings:
    """The settings of the file in the working directory and of the environment.

    Raises:
        ConfigError: the file or a value can't be used.
    """
    return load_settings(read_document(find_file(os.environ, Path.cwd())))


def data_dir_of(option: Path | None) -> Path:
    """The local stack's folder: option, then environment and file, then the default."""
    return option or settings().warehouse.data_dir or stack.default_data_dir()


def warehouse_url(url: str | None, data_dir: Path | None) -> str:
    """The ClickHouse address: option, then environment and file, then the running local stack.

    Raises:
        CliError: none is given and no local stack runs.
    """
    if url is None and data_dir is None:
        url = settings().warehouse.url
    if url is not None:
        return url
    folder = data_dir_of(data_dir)
    running = stack.status(folder)
    if running is None:
        raise CliError(
            f"no local stack runs on {folder}; start it with `spanledger up`, or name a "
            "ClickHouse server in SPANLEDGER_CLICKHOUSE_URL"
        )
    return running.clickhouse_url


@contextmanager
def open_warehouse(url: str | None, data_dir: Path | None) -> Iterator[Warehouse]:
    """A connection to a warehouse that has the schema of this release.

    Raises:
        CliError: there is none.
        WarehouseError: it can't be reached or is not migrated.
    """
    with connect(warehouse_url(url, data_dir)) as warehouse:
        require_migrated(warehouse)
        yield warehouse
