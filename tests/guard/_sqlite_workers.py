"""What other processes do to a ledger file. Each function runs in a process of its own."""

import os
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from random import Random

from spanledger.guard.ledger import Crossing, Demand, Key
from spanledger.guard.stores import SqliteStore, StoreUnavailable

DAY, AGENT = Key("day", "", 86_400), Key("agent", "planner", 0)
MARKS = (80, 90, 95)


def demands(amount: int, limit: int, marks: tuple[int, ...] = ()) -> list[Demand]:
    """On two counters, of which the first has the limit that counts."""
    return [
        Demand(DAY, "cost", limit, amount, marks),
        Demand(AGENT, "cost", 10 * limit, amount),
    ]


def spend(path: Path, number: int, limit: int, start: Barrier, answers: Connection) -> None:
    """Calls that ask for 50 and use 5 to 50, until the budget is used up; what was charged."""
    store, random, charged, seen_above = SqliteStore(path), Random(number), 0, 0
    start.wait(60)
    for call in range(100_000):
        rid = f"{number}/{call}"
        grant = store.reserve(rid, demands(50, limit), lease_s=600.0, max_wait_s=0.0)
        if grant.shortage is not None:
            if grant.shortage.kind == "exhausted":
                break
            # As many do, it tries again a little later.
            time.sleep(random.uniform(0.0, 0.002))
            continue
        counter = store.read(DAY)
        seen_above = max(seen_above, counter.spent + counter.reserved - limit)
        used = random.randint(5, 50)
        time.sleep(random.uniform(0.0, 0.001))
        assert store.settle(rid, lambda _, used=used: used)  # type: ignore[misc]  # binds the loop's value
        charged += used
    answers.send((charged, seen_above))
    store.close()


def spend_until_killed(path: Path, number: int, answers: Connection) -> None:
    """Acknowledge every reservation and settlement, without end."""
    store, random = SqliteStore(path), Random(number)
    for call in range(10_000_000):
        rid, used = f"{os.getpid()}/{call}", random.randint(1, 10)
        store.reserve(rid, demands(10, 10**12), lease_s=600.0, max_wait_s=0.0)
        answers.send(("reserved", rid, 10))
        store.settle(rid, lambda _, used=used: used)  # type: ignore[misc]  # binds the loop's value
        answers.send(("settled", rid, used))


def cross(path: Path, number: int, start: Barrier, answers: Connection) -> None:
    """Settle a tenth of a budget in small calls; the marks that this process was told of."""
    told: list[Crossing] = []
    store = SqliteStore(path)
    store.on_crossed(told.append)
    start.wait(60)
    for call in range(10):
        rid = f"{number}/{call}"
        grant = store.reserve(rid, demands(1, 100, MARKS), lease_s=600.0, max_wait_s=0.0)
        assert grant.shortage is None, grant
        assert store.settle(rid, lambda _: 1)
    store.close()
    answers.send([crossing.mark for crossing in told])


def spend_once(path: Path, amount: int, answers: Connection) -> None:
    """One call; what its counter held before it."""
    store = SqliteStore(path)
    before = store.read(DAY).spent
    grant = store.reserve("other", demands(amount, 100), lease_s=600.0, max_wait_s=0.0)
    if grant.shortage is None:
        store.settle("other", lambda _: amount)
    answers.send((before, grant.shortage.kind if grant.shortage else "held"))


def owe(path: Path, answers: Connection, calls: Sequence[int]) -> None:
    """Settle while the parent holds the file; then end without another chance."""
    store = SqliteStore(path, busy_timeout_s=0.05)
    for call in calls:
        store.reserve(f"owed/{call}", demands(10, 1000), lease_s=600.0, max_wait_s=0.0)
    answers.send("reserved")
    answers.recv()
    for call in calls:
        assert store.settle(f"owed/{call}", lambda _, call=call: call)  # type: ignore[misc]  # binds the loop's value
    try:
        store.read(DAY)
    except StoreUnavailable as error:
        answers.send(str(error))
    answers.send("owes")
    time.sleep(600)
