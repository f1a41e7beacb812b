"""Where the ledger's state lives."""

from typing import TYPE_CHECKING, Any

from spanledger.guard.stores._changes import Change
from spanledger.guard.stores._protocol import Grant, Store
from spanledger.guard.stores.errors import StoreUnavailable
from spanledger.guard.stores.memory import MemoryStore

if TYPE_CHECKING:
    from spanledger.guard.stores.sqlite import SqliteStore

__all__ = ["Change", "Grant", "MemoryStore", "SqliteStore", "Store", "StoreUnavailable"]


def __getattr__(name: str) -> Any:
    # Loaded with the first use: some Pythons are built without SQLite, and run on memory.
    if name == "SqliteStore":
        from spanledger.guard.stores.sqlite import SqliteStore

        return SqliteStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
