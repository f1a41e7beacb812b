"""The steps of a SQLite store: what the pure ledger does, inside one transaction of a file.

Each step loads what it touches into a ledger of its own, has that do the arithmetic, and writes
back what changed. So this store admits and sums exactly as the one in memory does.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import NamedTuple

from spanledger.guard.ledger import Counter, Crossing, Demand, Key, Ledger, Open, Shortage
from spanledger.guard.stores import _sqlite_demands as _demands
from spanledger.guard.stores import _sqlite_rows as rows
from spanledger.guard.stores._changes import Kind
from spanledger.guard.stores._sqlite_queue import Answer, Queue, Waiter

#: How many rows one step of upkeep changes at the most, so that others get their turn.
MOST = 500


class Settled(NamedTuple):
    """What came of a settlement or trip: whether anything changed, and what is to be told."""

    done: bool
    crossed: list[Crossing]


def reserve(
    connection: rows.LedgerConnection, waiter: Waiter, now: float, overtaken: Demand | None = None
) -> Shortage | None:
    """Hold all that is asked, or none. `overtaken`: a demand for which others wait already."""
    rid, demands, until = waiter.reservation_id, waiter.demands, now + waiter.lease_s
    ledger = Ledger(rows.load_counters(connection, _keys(demands)))
    short = ledger.reserve(rid, demands, until)
    if short is None and overtaken is not None:
        short = _behind(connection, overtaken)
    if short is not None:
        # A reservation that is there already is granted again, whatever else is held.
        return None if rows.is_open(connection, rid) else short
    try:
        rows.insert_reservation(connection, rid, until, waiter.lease_s, waiter.text)
    except sqlite3.IntegrityError:
        return None
    rows.save_counters(connection, {d.key: ledger.counters[d.key] for d in demands})
    return None


def _behind(connection: rows.LedgerConnection, demand: Demand) -> Shortage:
    counter = rows.load_counters(connection, [demand.key]).get(demand.key, Counter())
    return Shortage(demand, counter.spent, counter.reserved, "contended")


def decide(connection: rows.LedgerConnection, queue: Queue, now: float) -> list[Answer]:
    """Grant or finally refuse those who wait, in order."""
    return queue.decide(lambda waiter: reserve(connection, waiter, now))


def extend(
    connection: rows.LedgerConnection, rid: str, more: Callable[[Demand], Demand | None]
) -> tuple[Shortage | None, str | None]:
    """Hold more, or none; what did not fit, and what the reservation holds now (None: unknown)."""
    row = rows.reservation(connection, rid)
    if row is None:
        return None, None
    lease_until, text = row
    held = Open(_demands.load(text), lease_until)
    keys = {entry.key for entry in held.entries}
    ledger = Ledger(rows.load_counters(connection, keys), {rid: held})
    short = ledger.extend(rid, more)
    if short is not None:
        return short, text
    text = _demands.dump(held.entries)
    rows.update_reservation(connection, rid, text)
    rows.save_counters(connection, {key: c for key, c in ledger.counters.items() if key in keys})
    return None, text


def trip(
    connection: rows.LedgerConnection, demand: Demand, at: int, now: float, *, claim: float
) -> Settled:
    """Trip the counter that had no room for `demand`, if there still is none. `claim`: `settle`."""
    ledger = Ledger(rows.load_counters(connection, [demand.key]))
    if not ledger.trip(demand, at):
        return Settled(False, [])
    rows.save_counters(connection, ledger.counters)
    rows.save_trips(connection, ledger.counters)
    return Settled(True, _noted(connection, ledger, now, claim))


def settle(
    connection: rows.LedgerConnection,
    rid: str,
    actual: Callable[[Demand], int],
    now: float,
    *,
    claim: float,
    known: tuple[str, tuple[Demand, ...]] | None = None,
    estimated: bool | None = None,
) -> Settled:
    """Charge what was used. `known` saves reading the demands that this process wrote itself.

    `claim`: until when marks that are crossed are the caller's to tell.
    """
    taken = _take(connection, rid, known)
    if taken is None:
        return Settled(False, [])
    kind, text, entries = taken
    ledger = Ledger(rows.load_counters(connection, [entry.key for entry in entries]))
    if kind == "settled":
        ledger.open[rid] = Open(entries, 0.0)
    else:
        ledger.swept[rid] = entries
    amounts: list[int] = []

    def noted(entry: Demand) -> int:
        amounts.append(amount := actual(entry))
        return amount

    ledger.settle(rid, noted)
    rows.save_counters(connection, ledger.counters)
    if kind == "corrected":
        amounts = [amount - e.amount for amount, e in zip(amounts, entries, strict=True)]
    rows.append_change(connection, rid, now, kind, text, amounts, estimated)
    return Settled(True, _noted(connection, ledger, now, claim))


def _take(
    connection: rows.LedgerConnection, rid: str, known: tuple[str, tuple[Demand, ...]] | None
) -> tuple[Kind, str, tuple[Demand, ...]] | None:
    """Take a reservation out, or its tombstone: what a settlement of it is, and its demands."""
    if known is not None and rows.take_known(connection, rid, known[0]):
        return "settled", *known
    if (text := rows.take_reservation(connection, rid)) is not None:
        return "settled", text, _demands.load(text)
    if (text := rows.take_swept(connection, rid)) is not None:
        return "corrected", text, _demands.load(text)
    return None


class Swept(NamedTuple):
    """Ids of reservations that were charged because their lease ended, and marks crossed."""

    ids: list[str]
    crossed: list[Crossing]


def sweep(connection: rows.LedgerConnection, now: float, claim: float) -> Swept:
    """Charge reservations whose lease has ended, in full."""
    rows.shorten_leases(connection, now)
    texts = {rid: (until, text) for rid, until, text in rows.ended_leases(connection, now, MOST)}
    if not texts:
        return Swept([], [])
    ledger = Ledger(open={rid: Open(_demands.load(t), u) for rid, (u, t) in texts.items()})
    ledger.counters = rows.load_counters(
        connection, {entry.key for held in ledger.open.values() for entry in held.entries}
    )
    ids = ledger.sweep(now)
    for rid in ids:
        _until, text = texts[rid]
        rows.take_reservation(connection, rid)
        rows.insert_swept(connection, rid, now, text)
        charged = [entry.amount for entry in ledger.swept[rid]]
        rows.append_change(connection, rid, now, "expired", text, charged, True)
    rows.save_counters(connection, ledger.counters)
    return Swept(ids, _noted(connection, ledger, now, claim))


def _noted(
    connection: rows.LedgerConnection, ledger: Ledger, now: float, claim: float
) -> list[Crossing]:
    crossed = ledger.take_crossed()
    for crossing in crossed:
        rows.insert_crossing(connection, crossing, now, claim)
    return crossed if claim else []


def forget(connection: rows.LedgerConnection, rule: str, before: int) -> bool:
    """Drop counters of ended windows that nothing open refers to; whether there may be more."""
    old = rows.old_keys(connection, rule, before, MOST)
    if not old:
        return False
    held = rows.held_keys(connection)
    ended = [key for key in old if key not in held]
    rows.delete_counters(connection, ended)
    return len(old) == MOST and bool(ended)


def reset(connection: rows.LedgerConnection, rule: str, value: str | None, now: float) -> int:
    """Set what is spent back to 0, let every mark be crossed anew, and undo trips."""
    chosen = {
        key: counter
        for key, counter in rows.all_counters(connection, rule)
        if value in {None, key.value}
    }
    demands = [Demand(key, "calls", None, 0) for key in chosen]
    taken = [-counter.spent for counter in chosen.values()]
    if demands:
        rows.append_change(connection, "", now, "reset", _demands.dump(demands), taken, None)
    for counter in chosen.values():
        counter.spent = counter.told = 0
        counter.tripped = None
    rows.save_counters(connection, chosen)
    rows.save_trips(connection, chosen)
    rows.forget_crossings(connection, chosen)
    return len(chosen)


def _keys(demands: Iterable[Demand]) -> list[Key]:
    return [key for d in demands for key in (d.key, d.before) if key is not None]
