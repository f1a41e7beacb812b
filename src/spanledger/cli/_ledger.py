"""The ledger and the rules that an agent in this folder would have."""

import os
from dataclasses import dataclass
from pathlib import Path

from spanledger.cli._errors import CliError
from spanledger.config import (
    Settings,
    default_data_dir,
    find_file,
    load_settings,
    read_document,
)
from spanledger.guard import Admin, Store, open_store, read_policy

_IN_MEMORY = (
    "the ledger is kept in the memory of each agent's process (guard.store is 'memory'), where "
    'nobody else can see it; set guard.store = "sqlite", or SPANLEDGER_STORE=sqlite, for all '
    "processes of this host to share one"
)


@dataclass(frozen=True, slots=True)
class Ledger:
    """A store that several processes share, and the settings that lead to it."""

    store: Store
    settings: Settings

    def admin(self) -> Admin:
        """The verbs, with the rules as the file has them now. Raises `ConfigError`."""
        document = read_document(find_file(os.environ, Path.cwd()))
        policy = read_policy(document, self.settings.budget)
        return Admin(self.store, policy, self.settings.guard, document=document)


def open_ledger() -> Ledger:
    """Opened from the file in the working directory and from the environment.

    Raises:
        CliError: it is in the memory of a process, or can't be opened.
        ConfigError: the file or a setting can't be used.
    """
    settings = load_settings(read_document(find_file(os.environ, Path.cwd())))
    if settings.guard.store == "memory":
        raise CliError(_IN_MEMORY)
    folder = settings.warehouse.data_dir or default_data_dir()
    try:
        return Ledger(open_store(settings.guard, folder), settings)
    except (ImportError, ValueError) as error:
        # A package that is not installed, or an argument of no use to the store.
        raise CliError(str(error)) from error
