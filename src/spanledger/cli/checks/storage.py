"""Whether the history can be read."""

from pathlib import Path

from spanledger import stack
from spanledger.cli import _locate
from spanledger.cli._errors import CliError
from spanledger.cli.checks._result import Result, fail, ok
from spanledger.config import ConfigError
from spanledger.warehouse import (
    ChangedMigration,
    NewerSchema,
    NotMigrated,
    WarehouseError,
    connect,
    require_migrated,
)


def check(url: str | None, data_dir: Path | None) -> list[Result]:
    """The local stack or the server that is named, and its schema."""
    try:
        address = _locate.warehouse_url(url, data_dir)
    except (CliError, ConfigError) as error:
        return [fail("ClickHouse", _sentence(error), "Run `spanledger up`.")]
    try:
        with connect(address) as warehouse:
            found = [ok("ClickHouse", f"{warehouse.address}, version {warehouse.server_version}.")]
            require_migrated(warehouse)
    except NotMigrated as error:
        return [*found, fail("schema", _sentence(error), "Run `spanledger migrate`.")]
    except (ChangedMigration, NewerSchema) as error:
        mend = "Run `pip install --upgrade spanledger`, or name the database of this release."
        return [*found, fail("schema", _sentence(error), mend)]
    except WarehouseError as error:
        return [fail("ClickHouse", _sentence(error), "Correct the address, or start it.")]
    return [*found, ok("schema", "It is current."), *_local(address, data_dir)]


def _local(address: str, data_dir: Path | None) -> list[Result]:
    running = stack.status(_locate.data_dir_of(data_dir))
    if running is None or running.clickhouse_url != address:
        return []
    return [ok("local stack", f"Process {running.pid} takes OTLP at {running.otlp_endpoint}.")]


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
