"""A name for the ledger that a store is: whoever adds up what ledgers tell must not count one
twice, nor take the word of one for the word of another."""

import os
import platform
import secrets
from functools import lru_cache
from hashlib import blake2b

from spanledger.guard.stores import Store

#: Of a ledger on a server: all processes have the same.
SHARED = "shared"


def ledger_name(store: Store) -> str:
    """The same text for all processes that share this store's ledger, and for no others.

    One in memory is its process's own (a forked child has another), a file is its host's.
    """
    if store.in_memory:
        return f"process {_process(os.getpid())}"
    path = getattr(store, "path", None)
    if path is None:
        return SHARED
    place = f"{platform.node()}|{path}"
    return f"file {blake2b(place.encode(), digest_size=8).hexdigest()}"


@lru_cache(maxsize=1)
def _process(_pid: int) -> str:
    return secrets.token_hex(8)
