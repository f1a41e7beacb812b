"""What a reservation holds, as compact JSON. Pure."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from spanledger.guard.ledger import Demand, Key

_encode = json.JSONEncoder(separators=(",", ":")).encode


def dump(demands: Sequence[Demand]) -> str:
    """One line of JSON: a list of lists in the order of the fields."""
    return f"[{','.join([_entry(demand) for demand in demands])}]"


def _entry(demand: Demand) -> str:
    # Put together from pieces that are known: half the time of encoding it anew.
    key, metric, limit, amount, marks, before, ppm, trip = demand
    most = "null" if limit is None else limit
    earlier = _json(before) if before else "null"
    last = ",true" if trip else ""
    return f'[{_json(key)},"{metric}",{most},{amount},{_json(marks)},{earlier},{ppm}{last}]'


@lru_cache(maxsize=8192)
def _json(values: tuple[object, ...]) -> str:
    return _encode(values)


def load(text: str) -> tuple[Demand, ...]:
    """The inverse of `dump`."""
    return tuple(
        Demand(
            _key(key, metric),
            metric,
            limit,
            amount,
            tuple(marks),
            _key(before, metric) if before else None,
            ppm,
            *trip,
        )
        for key, metric, limit, amount, marks, before, ppm, *trip in json.loads(text)
    )


def _key(parts: Sequence[Any], metric: str) -> Key:
    # Until format 3 a counter's key did not say what it counts.
    rule, value, start, *counted = parts
    return Key(rule, value, start, *(counted or [metric]))


def storable(demands: Sequence[Demand]) -> tuple[Sequence[Demand], str]:
    """The demands with keys that a database can hold (see `storable_key`), and their JSON."""
    text = dump(demands)
    # Half a surrogate pair is escaped by JSON; so is a whole one, which comes through unchanged.
    if "\\ud" not in text:
        return demands, text
    demands = [
        d._replace(key=storable_key(d.key), before=d.before and storable_key(d.before))
        for d in demands
    ]
    return demands, dump(demands)


def storable_key(key: Key) -> Key:
    """Half a surrogate pair, which a user's id may hold, has no UTF-8: it is written out."""
    return key._replace(rule=_utf8(key.rule), value=_utf8(key.value))


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
