"""What a backup says about itself, and whether it may be restored here. Pure."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from spanledger.stack._engine_config import is_newer
from spanledger.stack.errors import BackupInvalid

FILE_NAME: Final = "spanledger-backup.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Written last into a backup's folder: without it a backup is not whole."""

    created_at: str
    spanledger_version: str
    engine_version: str
    schema_version: int
    rows: dict[str, int]
    """By table; of replacing tables, the rows that count."""
    cost_nano_usd: int


def encode(manifest: Manifest) -> str:
    """JSON of *manifest*."""
    return json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n"


def decode(text: str, where: str) -> Manifest:
    """The manifest in *text*.

    Raises:
        BackupInvalid: if it is none.
    """
    try:
        return Manifest(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise BackupInvalid(f"{where} is not a backup of the local stack ({error}).") from error


def check(manifest: Manifest, where: str, engine_version: str, schema_version: int) -> None:
    """See that this engine and this schema can take the backup.

    Raises:
        BackupInvalid: if they are older than those that wrote it.
    """
    if is_newer(manifest.engine_version, engine_version):
        raise BackupInvalid(
            f"{where} was made with ClickHouse {manifest.engine_version}, and this environment "
            f"has {engine_version}: upgrade with `pip install -U 'spanledger[local]'`."
        )
    if manifest.schema_version > schema_version:
        raise BackupInvalid(
            f"{where} has the schema {manifest.schema_version}, and this Spanledger knows "
            f"{schema_version}: upgrade with `pip install -U spanledger`."
        )
