"""Where the ledger's state lives."""

from spanledger.guard.stores._protocol import Grant, Store
from spanledger.guard.stores.memory import MemoryStore

__all__ = ["Grant", "MemoryStore", "Store"]
