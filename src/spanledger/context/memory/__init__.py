"""What an agent remembers beyond one context: in memory, in a file, in ClickHouse."""

from spanledger.context.memory._item import Item, TierName, TierStats
from spanledger.context.memory._memory import Consolidated, Memory, Recalled
from spanledger.context.memory.errors import InvalidMemory, MemoryUnavailable

__all__ = [
    "Consolidated",
    "InvalidMemory",
    "Item",
    "Memory",
    "MemoryUnavailable",
    "Recalled",
    "TierName",
    "TierStats",
]
