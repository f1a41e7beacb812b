"""Between the ledger's values and a ledger file's rows. Each function makes plain queries."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from spanledger.guard.ledger import Counter, Crossing, Key
from spanledger.guard.stores import _sqlite_demands as _demands
from spanledger.guard.stores._changes import Change, Kind, changes_of
from spanledger.guard.stores._trips import read_trip, write_trip

#: Keys in one query. SQLite allows 32 766 variables in one statement.
_MOST_KEYS = 500
_MOST_REMEMBERED = 4096


class LedgerConnection(sqlite3.Connection):
    """A connection that remembers counters as long as no other one has written.

    One process alone then reads each counter once: a quarter of the time of a small step.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: As of the end of the last transaction. None: there is no such row.
        self.remembered: dict[Key, Counter | None] = {}
        self._version = -1

    def look_around(self) -> None:
        """At the start of a transaction: forget all if another connection has written."""
        (version,) = self.execute("PRAGMA data_version").fetchone()
        if version != self._version or len(self.remembered) > _MOST_REMEMBERED:
            self.remembered.clear()
            self._version = version


def load_counters(connection: LedgerConnection, keys: Collection[Key]) -> dict[Key, Counter]:
    """The counters that exist among `keys`, as the caller's own copies. In a transaction only."""
    known = connection.remembered
    if missing := [key for key in keys if key not in known]:
        known.update(dict.fromkeys(missing))
        known.update(read_counters(connection, missing))
    return {
        key: Counter(counter.spent, counter.reserved, counter.told, counter.tripped)
        for key in keys
        if (counter := known[key]) is not None
    }


def read_counters(connection: sqlite3.Connection, keys: Iterable[Key]) -> dict[Key, Counter]:
    """The counters that exist among `keys`, as they are in the file."""
    left, found = iter(keys), dict[Key, Counter]()
    while chunk := list(islice(left, _MOST_KEYS)):
        flat = [part for key in chunk for part in key]
        found.update(map(_counter, connection.execute(_select_counters(len(chunk)), flat)))
    return found


def _counter(row: Sequence[Any]) -> tuple[Key, Counter]:
    *key, spent, reserved, told, tripped = row
    return Key(*key), Counter(spent, reserved, told, read_trip(tripped))


def save_counters(connection: LedgerConnection, counters: Mapping[Key, Counter]) -> None:
    """Write the counters, which exist or not. They are the connection's from here on.

    All but whether they are tripped, which `save_trips` does: it changes so seldom.
    """
    connection.remembered.update(counters)
    items = list(counters.items())
    for start in range(0, len(items), _MOST_KEYS):
        chunk, flat = items[start : start + _MOST_KEYS], list[Any]()
        for key, counter in chunk:
            flat += (*key, counter.spent, counter.reserved, counter.told)
        connection.execute(_upsert_counters(len(chunk)), flat)


def save_trips(connection: sqlite3.Connection, counters: Mapping[Key, Counter]) -> None:
    """Write whether counters are tripped, which exist."""
    connection.executemany(
        "UPDATE counters SET tripped = ? "
        "WHERE rule = ? AND value = ? AND window_start = ? AND metric = ?",
        [(write_trip(counter.tripped), *key) for key, counter in counters.items()],
    )


@lru_cache(maxsize=_MOST_KEYS)
def _select_counters(number: int) -> str:
    return (
        "SELECT rule, value, window_start, metric, spent, reserved, told, tripped FROM counters "  # noqa: S608 - marks only
        f"WHERE (rule, value, window_start, metric) IN (VALUES {_tuples('(?,?,?,?)', number)})"
    )


@lru_cache(maxsize=_MOST_KEYS)
def _upsert_counters(number: int) -> str:
    return (
        "INSERT INTO counters (rule, value, window_start, metric, spent, reserved, told) "  # noqa: S608 - marks only
        f"VALUES {_tuples('(?,?,?,?,?,?,?)', number)} "
        "ON CONFLICT DO UPDATE SET "
        "spent = excluded.spent, reserved = excluded.reserved, told = excluded.told"
    )


def _tuples(one: str, number: int) -> str:
    return ",".join([one] * number)


# --- reservations ---------------------------------------------------------------------------


def insert_reservation(
    connection: sqlite3.Connection, rid: str, lease_until: float, lease_s: float, demands: str
) -> None:
    connection.execute(
        "INSERT INTO reservations VALUES (?,?,?,?)", (rid, lease_until, lease_s, demands)
    )


def is_open(connection: sqlite3.Connection, rid: str) -> bool:
    found = connection.execute("SELECT 1 FROM reservations WHERE id = ?", (rid,))
    return found.fetchone() is not None


def reservation(connection: sqlite3.Connection, rid: str) -> tuple[float, str] | None:
    """End of the lease and demands of an open reservation."""
    row: tuple[float, str] | None = connection.execute(
        "SELECT lease_until, demands FROM reservations WHERE id = ?", (rid,)
    ).fetchone()
    return row


def update_reservation(connection: sqlite3.Connection, rid: str, demands: str) -> None:
    connection.execute("UPDATE reservations SET demands = ? WHERE id = ?", (demands, rid))


def take_known(connection: sqlite3.Connection, rid: str, demands: str) -> bool:
    """Delete an open reservation if it holds just that: 2 µs less than reading it back."""
    query = "DELETE FROM reservations WHERE id = ? AND demands = ?"
    return connection.execute(query, (rid, demands)).rowcount == 1


def take_reservation(connection: sqlite3.Connection, rid: str) -> str | None:
    """Delete an open reservation; its demands."""
    return _taken(connection, "DELETE FROM reservations WHERE id = ? RETURNING demands", rid)


def take_swept(connection: sqlite3.Connection, rid: str) -> str | None:
    """Delete a tombstone; its demands."""
    return _taken(connection, "DELETE FROM swept WHERE id = ? RETURNING demands", rid)


def _taken(connection: sqlite3.Connection, query: str, rid: str) -> str | None:
    # Read to its end: a statement with RETURNING is only over then.
    rows = connection.execute(query, (rid,)).fetchall()
    return rows[0][0] if rows else None


def ended_leases(
    connection: sqlite3.Connection, now: float, most: int
) -> list[tuple[str, float, str]]:
    """Id, end of lease and demands of reservations whose lease is over, oldest first."""
    return connection.execute(
        "SELECT id, lease_until, demands FROM reservations WHERE lease_until <= ? "
        "ORDER BY lease_until, id LIMIT ?",
        (now, most),
    ).fetchall()


def shorten_leases(connection: sqlite3.Connection, now: float) -> None:
    """After the clock was set back: no lease lasts longer from now on than it was given."""
    connection.execute(
        "UPDATE reservations SET lease_until = ?1 + lease_s WHERE lease_until > ?1 + lease_s + 1",
        (now,),
    )


def insert_swept(connection: sqlite3.Connection, rid: str, at: float, demands: str) -> None:
    connection.execute("INSERT OR REPLACE INTO swept VALUES (?,?,?)", (rid, at, demands))


# --- the journal of settlements -------------------------------------------------------------


def append_change(
    connection: sqlite3.Connection,
    rid: str,
    at: float,
    kind: Kind,
    demands: str,
    charged: Sequence[int],
    estimated: bool | None,
) -> None:
    connection.execute(
        "INSERT INTO settlements (id, at, kind, demands, charged, estimated) VALUES (?,?,?,?,?,?)",
        (rid, at, kind, demands, ",".join(map(str, charged)), estimated),
    )


def changes(connection: sqlite3.Connection, since: float) -> list[Change]:
    """The journal from a moment on, in the order in which it was written."""
    rows = connection.execute(
        "SELECT id, at, kind, demands, charged, estimated FROM settlements WHERE at >= ? "
        "ORDER BY seq",
        (since,),
    )
    return [
        change
        for rid, at, kind, demands, charged, estimated in rows
        for change in changes_of(
            rid,
            at,
            kind,
            _demands.load(demands),
            [int(amount) for amount in charged.split(",")],
            None if estimated is None else bool(estimated),
        )
    ]


# --- crossings ------------------------------------------------------------------------------


def insert_crossing(
    connection: sqlite3.Connection, crossing: Crossing, at: float, claimed_until: float
) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO crossings VALUES (?,?,?,?,?,?,?,?,NULL)",
        (*crossing.key, crossing.mark, crossing.spent, at, claimed_until),
    )


def claim_crossings(
    connection: sqlite3.Connection, now: float, until: float, most: int
) -> list[Crossing]:
    """Crossings that nobody was told of and nobody is telling; they are the caller's `until`."""
    rows = connection.execute(
        "SELECT rule, value, window_start, metric, mark, spent FROM crossings "
        "WHERE delivered_at IS NULL AND claimed_until <= ? "
        "ORDER BY at, rule, value, window_start, metric, mark LIMIT ?",
        (now, most),
    ).fetchall()
    connection.executemany(
        "UPDATE crossings SET claimed_until = ? "
        "WHERE rule = ? AND value = ? AND window_start = ? AND metric = ? AND mark = ?",
        [(until, *row[:5]) for row in rows],
    )
    return [Crossing(Key(*row[:4]), row[3], row[4], row[5]) for row in rows]


def mark_delivered(
    connection: sqlite3.Connection, crossings: Sequence[Crossing], at: float
) -> None:
    connection.executemany(
        "UPDATE crossings SET delivered_at = ? "
        "WHERE rule = ? AND value = ? AND window_start = ? AND metric = ? AND mark = ?",
        [(at, *crossing.key, crossing.mark) for crossing in crossings],
    )


def forget_crossings(connection: sqlite3.Connection, keys: Iterable[Key]) -> None:
    connection.executemany(
        "DELETE FROM crossings WHERE rule = ? AND value = ? AND window_start = ? AND metric = ?",
        keys,
    )


# --- upkeep ---------------------------------------------------------------------------------


def all_counters(connection: sqlite3.Connection, rule: str | None) -> list[tuple[Key, Counter]]:
    rows = connection.execute(
        "SELECT rule, value, window_start, metric, spent, reserved, told, tripped FROM counters "
        "WHERE ?1 IS NULL OR rule = ?1",
        (rule,),
    )
    return [_counter(row) for row in rows]


def old_keys(connection: sqlite3.Connection, rule: str, before: int, most: int) -> list[Key]:
    rows = connection.execute(
        "SELECT rule, value, window_start, metric FROM counters "
        "WHERE rule = ? AND window_start < ? AND reserved = 0 LIMIT ?",
        (rule, before, most),
    )
    return [Key(*row) for row in rows]


def held_keys(connection: sqlite3.Connection) -> set[Key]:
    """Every counter that an open reservation refers to, also with an amount of 0."""
    rows = connection.execute("SELECT demands FROM reservations")
    return {demand.key for (text,) in rows for demand in _demands.load(text)}


def delete_counters(connection: LedgerConnection, keys: Sequence[Key]) -> None:
    """Drop counters, their crossings, and tombstones that refer to them."""
    connection.remembered.update(dict.fromkeys(keys))
    connection.executemany(
        "DELETE FROM counters WHERE rule = ? AND value = ? AND window_start = ? AND metric = ?",
        keys,
    )
    forget_crossings(connection, keys)
    gone = set(keys)
    orphans = [
        (rid,)
        for rid, text in connection.execute("SELECT id, demands FROM swept").fetchall()
        if any(demand.key in gone for demand in _demands.load(text))
    ]
    connection.executemany("DELETE FROM swept WHERE id = ?", orphans)


def prune(connection: sqlite3.Connection, before: float, most: int) -> bool:
    """Drop old rows of the journal and old tombstones, `most` at once; whether there are more."""
    pruned = connection.execute(
        "DELETE FROM settlements WHERE at < ?1 AND seq IN "
        "(SELECT seq FROM settlements ORDER BY seq LIMIT ?2)",
        (before, most),
    ).rowcount
    connection.execute(
        "DELETE FROM swept WHERE id IN (SELECT id FROM swept WHERE at < ?1 LIMIT ?2)",
        (before, most),
    )
    return pruned >= most
