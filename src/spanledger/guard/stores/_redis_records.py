"""How reservations, counters and crossings are written in Redis. Pure.

A reservation is one text: JSON, a list of entries. Lua's JSON reads numbers as doubles, so every
amount is a string in it. The name of a counter is JSON as well, ASCII only, whatever a scope's
value holds; the names of one rule's counters begin alike, so that they can be listed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, cast

from spanledger.guard.decision import Metric
from spanledger.guard.ledger import Counter, Crossing, Demand, Key, Shortage
from spanledger.guard.stores._changes import Change, Kind, changes_of
from spanledger.guard.stores._trips import read_trip

MAX_AMOUNT = 9_000_000_000_000_000
"""The most that an entry may hold or charge (9.0 M USD in nano-USD); doubles are exact to it."""

MAX_LIMIT = 2**63 - 1
"""The highest limit of a budget. Limits above `MAX_AMOUNT` are compared in two halves."""

_dumps = json.JSONEncoder(separators=(",", ":")).encode


@lru_cache(maxsize=8192)
def counter_name(key: Key) -> str:
    """The name of a counter."""
    return _dumps(list(key))


@lru_cache(maxsize=8192)
def read_counter_name(name: str) -> Key:
    """The counter of a name."""
    return Key(*json.loads(name))


def name_prefix(rule: str | None, value: str | None = None) -> str:
    """What the names of all counters of a rule (and value) begin with."""
    if rule is None:
        return "["
    parts = [rule] if value is None else [rule, value]
    return _dumps(parts)[:-1] + ","


def write(demands: Sequence[Demand]) -> str:
    """The text of a reservation.

    Raises:
        ValueError: an amount or a limit that the scripts can't compare exactly.
    """
    return _dumps([_entry(demand) for demand in demands])


def _entry(demand: Demand) -> list[object]:
    key, metric, limit, amount, marks, before, ppm, trip = demand
    checked(amount)
    if limit is not None and not 0 <= limit <= (MAX_LIMIT if before is None else MAX_AMOUNT):
        raise ValueError(
            f"The limit {limit} of rule {key.rule!r} is not one that Redis can hold: a budget "
            f"needs 0 to {MAX_LIMIT}, a rate 0 to {MAX_AMOUNT}. Lower it."
        )
    return [
        counter_name(key),
        metric,
        "" if limit is None else str(limit),
        str(amount),
        [str(mark) for mark in marks],
        "" if before is None else counter_name(before),
        ppm,
        *([1] if trip else []),
    ]


def read(text: str | bytes) -> tuple[Demand, ...]:
    """The demands of a reservation."""
    return tuple(
        Demand(
            read_counter_name(name),
            metric,
            int(limit) if limit else None,
            int(amount),
            tuple(map(int, marks)),
            read_counter_name(before) if before else None,
            ppm,
            bool(trip),
        )
        for name, metric, limit, amount, marks, before, ppm, *trip in json.loads(text)
    )


def amounts(used: Iterable[int]) -> str:
    """Amounts to charge, one for each entry.

    Raises:
        ValueError: negative, or more than `MAX_AMOUNT`.
    """
    return _dumps([str(checked(amount)) for amount in used])


def checked(amount: int) -> int:
    if not 0 <= amount <= MAX_AMOUNT:
        raise ValueError(
            f"The amount {amount} can't be counted in Redis: 0 to {MAX_AMOUNT} can. Look for a "
            "wrong unit (costs are in nano-USD)."
        )
    return amount


def read_crossing(text: bytes) -> Crossing:
    """A crossing from the outbox."""
    name, metric, mark, spent = json.loads(text)
    return Crossing(read_counter_name(name), cast("Metric", metric), int(mark), int(spent))


def read_shortage(reply: Sequence[bytes], demands: Sequence[Demand]) -> Shortage:
    """The demand that a script found not to fit."""
    _short, index, spent, reserved, kind, trip = reply
    demand = demands[int(index)]
    return Shortage(demand, int(spent), int(reserved), _KINDS[kind], read_trip(trip))


_KINDS: dict[bytes, Literal["exhausted", "contended", "limited", "tripped"]] = {
    b"exhausted": "exhausted",
    b"contended": "contended",
    b"limited": "limited",
    b"tripped": "tripped",
}


def read_counter(numbers: Sequence[bytes]) -> Counter:
    """A counter as the scripts report it."""
    spent, reserved, told, trip = numbers
    return Counter(int(spent), int(reserved), int(told), read_trip(trip))


def read_changes(number: bytes, line: Mapping[bytes, bytes]) -> Iterator[Change]:
    """The rows of one line of the settlement journal; its number begins with the time in ms."""
    kind = cast("Kind", line[b"kind"].decode())
    demands = read(line[b"record"])
    held = [demand.amount for demand in demands]
    # A lease that ended is charged in full.
    used = [int(amount) for amount in json.loads(line[b"used"])] if line[b"used"] else held
    if kind == "corrected":
        used = [amount - before for amount, before in zip(used, held, strict=True)]
    rid = line[b"id"].decode("utf-8", "surrogatepass")
    estimated = _ESTIMATED[line[b"estimated"]]
    at = int(number.partition(b"-")[0]) / 1000
    return changes_of(rid, at, kind, demands, used, estimated)


_ESTIMATED = {b"": None, b"0": False, b"1": True}
