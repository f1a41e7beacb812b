"""Whether the ledger, where limits are counted, can be read."""

from collections.abc import Mapping
from pathlib import Path

from spanledger.cli._errors import CliError
from spanledger.cli._ledger import open_ledger
from spanledger.cli.checks._result import Result, fail, ok
from spanledger.config import ConfigError, default_data_dir, find_file, load_settings, read_document
from spanledger.guard import StoreUnavailable
from spanledger.guard.stores.opening import LEDGER_FILE

_MEND = (
    "Give the file to the user who runs the agent, or restore it; until then calls under a limit "
    "are treated as guard.on_store_down says."
)


def check(environ: Mapping[str, str]) -> list[Result]:
    """The store that `guard.store` names, read as an agent would."""
    try:
        settings = load_settings(read_document(find_file(environ, Path.cwd())), environ=environ)
    except ConfigError:
        return []  # the policy check says so
    name = settings.guard.store
    if name == "memory":
        return [ok("ledger", "In memory: limits hold for one process, not for all.")]
    file = _file(name, settings.warehouse.data_dir or default_data_dir())
    if file is not None and not file.exists():
        return [ok("ledger", f"{file} will be made by the first agent.")]
    try:
        uses = open_ledger().admin().budgets()
    except (CliError, ConfigError, StoreUnavailable) as error:
        return [fail("ledger", f"{str(error).rstrip('.')}.", _MEND)]
    return [ok("ledger", f"{file or 'The server'} holds {len(uses):,} budgets.")]


def _file(store: str, data_dir: Path) -> Path | None:
    """The file of a SQLite ledger; looking must not make it, with the wrong owner perhaps."""
    if not store.startswith("sqlite"):
        return None
    path = store.removeprefix("sqlite").removeprefix(":")
    return Path(path).expanduser() if path else data_dir / LEDGER_FILE
