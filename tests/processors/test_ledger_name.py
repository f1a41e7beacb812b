"""Whoever shares a ledger gives it the same name, and nobody else does."""

import os
from pathlib import Path

from spanledger.guard.stores import MemoryStore
from spanledger.guard.stores.sqlite import SqliteStore
from spanledger.processors.ledger_name import ledger_name


def name_in_a_child() -> str:
    """What a forked child calls its own ledger in memory."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, ledger_name(MemoryStore()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read) as told:
        return told.read()


def test_a_process_has_one_ledger_in_memory_and_its_child_another() -> None:
    mine = ledger_name(MemoryStore())
    assert ledger_name(MemoryStore()) == mine
    assert name_in_a_child() not in {mine, ""}


def test_a_file_is_one_ledger_for_all_that_open_it(tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path / name) for name in ("a.db", "a.db", "b.db")]
    try:
        one, same, other = map(ledger_name, stores)
    finally:
        for store in stores:
            store.close()
    assert one == same
    assert one != other
    assert str(tmp_path) not in one
