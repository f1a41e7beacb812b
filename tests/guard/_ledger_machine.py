"""Random programs of reserve, extend, settle, sweep, run on a ledger and on a simple model.

The properties, by their numbers:

P1 a call is admitted if and only if everything fits;  P2 a refusal changes nothing;
P3 spent is what was charged;  P4 reserved is what is open;  P5 both are at least 0;
P6 spent + reserved ≤ limit + Σ max(0, actual − reserved);  P7 settling twice is settling once;
P8 an ended lease charges in full, and a late settlement corrects that.
(P9, order, and P10, windows, are tests of their own.)
P11 a counter trips if there is no room, once, and then refuses whatever may trip it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from spanledger.guard.ledger import Demand, Key, Ledger, Shortage, Trip

LIMITS = {Key(f"rule-{i}", "", 0): limit for i, limit in enumerate((60, 5, 200, 20, 0))}
KEYS = list(LIMITS)
AMOUNTS = st.integers(0, 30)
LEASE_S = 10.0


@dataclass
class Call:
    """What the model knows of one reservation."""

    held: dict[Key, int]
    lease_until: float
    state: str = "open"
    charged: dict[Key, int] = field(default_factory=dict)


class LedgerMachine(RuleBasedStateMachine):
    """One random program; `make` gives the ledger that is tested."""

    make: Callable[[], Ledger] = Ledger

    def __init__(self) -> None:
        super().__init__()
        self.ledger = type(self).make()
        self.calls: dict[str, Call] = {}
        self.tripped: dict[Key, Trip] = {}
        self.now = 0.0

    # --- what a program may do ------------------------------------------------------------

    @rule(keys=st.sets(st.sampled_from(KEYS), min_size=1), amount=AMOUNTS, trip=st.booleans())
    def reserve(self, keys: set[Key], amount: int, trip: bool) -> None:
        asked = {key: amount for key in KEYS if key in keys}
        expected = self._refusal(asked, trip=trip)
        rid = f"r{len(self.calls)}"
        demands = [_demand(key, amount, trip=trip) for key in asked]
        short = self.ledger.reserve(rid, demands, self.now + LEASE_S)
        assert _plain(short) == expected, "P1, P11"
        if expected is None:
            self.calls[rid] = Call(asked, self.now + LEASE_S)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), amounts=st.lists(AMOUNTS, min_size=5, max_size=5), trip=st.booleans())
    def extend(self, data: st.DataObject, amounts: list[int], trip: bool) -> None:
        rid = data.draw(st.sampled_from(sorted(self.calls)))
        call = self.calls[rid]
        added = dict(zip(KEYS, amounts, strict=True))
        is_open = call.state == "open"
        asked = {key: added[key] for key in call.held} if is_open else {}
        expected = self._refusal(asked, trip=trip)
        short = self.ledger.extend(rid, lambda e: _demand(e.key, added[e.key], trip=trip))
        assert _plain(short) == expected, "P1, P11"
        if expected is None:
            for key, amount in asked.items():
                call.held[key] += amount

    @rule(key=st.sampled_from(KEYS), amount=AMOUNTS, may=st.booleans())
    def trip(self, key: Key, amount: int, may: bool) -> None:
        spent, reserved, limit = self._spent(key), self._reserved(key), LIMITS[key]
        expected = may and key not in self.tripped and spent + reserved + amount > limit
        assert self.ledger.trip(_demand(key, amount, trip=may), int(self.now)) is expected, "P11"
        if expected:
            self.tripped[key] = Trip(int(self.now), limit, spent, reserved, amount)

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), amounts=st.lists(AMOUNTS, min_size=5, max_size=5))
    def settle(self, data: st.DataObject, amounts: list[int]) -> None:
        self._settle(data, dict(zip(KEYS, amounts, strict=True)))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self._settle(data, dict.fromkeys(KEYS, 0))

    @rule(seconds=st.sampled_from((0.0, 4.0, 11.0)))
    def sweep(self, seconds: float) -> None:
        self.now += seconds
        late = [
            rid
            for rid, call in self.calls.items()
            if call.state == "open" and call.lease_until <= self.now
        ]
        assert sorted(self.ledger.sweep(self.now)) == sorted(late), "P8"
        for rid in late:
            call = self.calls[rid]
            call.state, call.charged = "swept", dict(call.held)

    def _settle(self, data: st.DataObject, actual: dict[Key, int]) -> None:
        rid = data.draw(st.sampled_from(sorted(self.calls)))
        call = self.calls[rid]
        was_open = call.state != "settled"
        assert self.ledger.settle(rid, lambda entry: actual[entry.key]) is was_open, "P7"
        if was_open:
            call.state, call.charged = "settled", {key: actual[key] for key in call.held}

    # --- what always holds ----------------------------------------------------------------

    @invariant()
    def sums_are_the_models(self) -> None:
        for key in KEYS:
            counter = self.ledger.counters.get(key)
            spent, reserved = (counter.spent, counter.reserved) if counter else (0, 0)
            assert spent == self._spent(key), "P2, P3, P7, P8"
            assert reserved == self._reserved(key), "P2, P4"
            assert (counter.tripped if counter else None) == self.tripped.get(key), "P11"
            assert spent >= 0, "P5"
            assert reserved >= 0, "P5"

    @invariant()
    def spend_is_bounded(self) -> None:
        for key, limit in LIMITS.items():
            over = sum(
                max(0, call.charged[key] - call.held[key])
                for call in self.calls.values()
                if key in call.charged
            )
            assert self._spent(key) + self._reserved(key) <= limit + over, "P6"

    # --- the model ------------------------------------------------------------------------

    def _spent(self, key: Key) -> int:
        return sum(call.charged.get(key, 0) for call in self.calls.values())

    def _reserved(self, key: Key) -> int:
        return sum(call.held.get(key, 0) for call in self.calls.values() if call.state == "open")

    def _refusal(self, asked: dict[Key, int], *, trip: bool) -> tuple[Key, str] | None:
        for key, amount in asked.items():
            if trip and key in self.tripped:
                return key, "tripped"
            if self._spent(key) + amount > LIMITS[key]:
                return key, "exhausted"
        for key, amount in asked.items():
            if self._spent(key) + self._reserved(key) + amount > LIMITS[key]:
                return key, "contended"
        return None


def _demand(key: Key, amount: int, *, trip: bool) -> Demand:
    return Demand(key, "calls", LIMITS[key], amount, trip=trip)


def _plain(short: Shortage | None) -> tuple[Key, str] | None:
    return None if short is None else (short.demand.key, short.kind)


# --- ledgers with one mistake each: tests of the test ---------------------------------------


class NoReservation(Ledger):
    """Checks, and charges later: what most budgets of the field do."""

    def reserve(self, reservation_id: str, demands: Any, lease_until: float) -> Shortage | None:
        short = super().reserve(reservation_id, demands, lease_until)
        if short is None:
            for demand in demands:
                self.counters[demand.key].reserved -= demand.amount
            held = self.open[reservation_id]
            held.entries = tuple(e._replace(amount=0) for e in held.entries)
        return short


class SettlesTwice(Ledger):
    """Forgets to forget a settled reservation."""

    def settle(self, reservation_id: str, actual: Callable[[Demand], int]) -> bool:
        held = self.open.get(reservation_id)
        settled = super().settle(reservation_id, actual)
        if held is not None:
            self.open[reservation_id] = held
        return settled


class ReservesInPart(Ledger):
    """Holds what fits before it finds what does not."""

    def reserve(self, reservation_id: str, demands: Any, lease_until: float) -> Shortage | None:
        for demand in demands:
            if (short := self.shortage([demand])) is not None:
                return short
            self._counter(demand.key).reserved += demand.amount
        for demand in demands:
            self.counters[demand.key].reserved -= demand.amount
        return super().reserve(reservation_id, demands, lease_until)


class LeaksOnRelease(Ledger):
    """Keeps what a call held that used nothing."""

    def settle(self, reservation_id: str, actual: Callable[[Demand], int]) -> bool:
        held = self.open.get(reservation_id)
        if held is not None and not any(actual(entry) for entry in held.entries):
            del self.open[reservation_id]
            return True
        return super().settle(reservation_id, actual)


class SweepsToZero(Ledger):
    """Lets a call whose owner died go free."""

    def sweep(self, now: float) -> list[str]:
        late = super().sweep(now)
        for rid in late:
            for entry in self.swept[rid]:
                self.counters[entry.key].spent -= entry.amount
            self.swept[rid] = tuple(e._replace(amount=0) for e in self.swept[rid])
        return late


class ClampsToEstimate(Ledger):
    """Charges no more than was reserved."""

    def settle(self, reservation_id: str, actual: Callable[[Demand], int]) -> bool:
        return super().settle(reservation_id, lambda entry: min(entry.amount, actual(entry)))


class ExtendsInPart(Ledger):
    """Holds more on some counters of a call and not on the others."""

    def extend(
        self, reservation_id: str, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None:
        held = self.open.get(reservation_id)
        for entry in held.entries if held else ():
            demand = more(entry)
            if demand is None:
                continue
            if (short := self.shortage([demand])) is not None:
                return short
            self.counters[entry.key].reserved += demand.amount
        return None


class NeverCorrects(Ledger):
    """Keeps the full charge when a late settlement says that less was used."""

    def settle(self, reservation_id: str, actual: Callable[[Demand], int]) -> bool:
        if self.swept.pop(reservation_id, None) is not None:
            return True
        return super().settle(reservation_id, actual)


class ForgetsTrips(Ledger):
    """Lets a smaller call through after one that had no room."""

    def shortage(self, demands: Any) -> Shortage | None:
        return super().shortage([demand._replace(trip=False) for demand in demands])


MUTANTS: tuple[type[Ledger], ...] = (
    NoReservation,
    SettlesTwice,
    ReservesInPart,
    LeaksOnRelease,
    SweepsToZero,
    ClampsToEstimate,
    ExtendsInPart,
    NeverCorrects,
    ForgetsTrips,
)
