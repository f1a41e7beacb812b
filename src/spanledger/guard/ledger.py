"""The ledger: reserve, extend, settle, release over integer counters. Pure.

Rules of this file:

1. No clock, no lock, no I/O: *now* and ids are arguments; whoever calls holds the lock.
2. All counters of a reservation change in one step, or none do.
3. A reservation keeps the keys that it was admitted under; the window of a call is the window
   of its admission, however late it is settled.
4. Settling is idempotent by id: the second time nothing happens.
5. What was really used is charged in full, also above the limit; nothing is clamped.
6. Memory is bounded: a rule has at most `most_values` counters in one window. Whoever comes after
   that shares one more, and its limit: crowding may refuse too early, and never opens.
7. To refuse changes nothing. A counter trips in a step of its own, once the refusal is final, and
   stays tripped until it is reset or its window is over.

Invariant: for every counter ``spent + reserved ≤ limit + Σ max(0, actual − reserved)`` over its
settled reservations, so spend can't pass a limit by more than estimates were too low.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from spanledger.guard.decision import Metric

#: The value under which all are counted for whom a rule has no room any more.
OVERFLOW = "(overflow)"
#: The mark of the crossing that says that a counter tripped; the marks of rules are above it.
TRIPPED = -1

Group = tuple[str, int, str]
"""All counters of a rule in one window: its name, the start of the window, the metric."""


class Key(NamedTuple):
    """One counter: a rule, whom it counts, the start of the window (epoch seconds), and what."""

    rule: str
    value: str
    window_start: int
    metric: str = ""
    """A rule that is told to count another metric begins anew: tokens are not taken for USD."""


def _group(key: Key) -> Group:
    return key.rule, key.window_start, key.metric


class Demand(NamedTuple):
    """What one call asks of one counter, and holds on it while it is open."""

    key: Key
    metric: Metric
    limit: int | None
    """None: counted, and never a reason to refuse."""
    amount: int
    marks: tuple[int, ...] = ()
    """Amounts, ascending, whose crossing by what is spent is told once."""
    before: Key | None = None
    """For a rate: the counter of the bucket before, of which a part still counts."""
    before_ppm: int = 0
    """That part, in millionths: how much of the sliding window lies in the bucket before."""
    trip: bool = False
    """Whether its counter may trip, and refuses it then."""


class Trip(NamedTuple):
    """What a counter had no room for when it tripped."""

    at: int
    """Seconds since the epoch."""
    limit: int
    spent: int
    reserved: int
    asked: int


class Shortage(NamedTuple):
    """Why a demand does not fit.

    `exhausted` by what is spent; `contended`: it would fit once open calls are settled;
    `limited` by a rate, which only time relieves; `tripped` before, whatever is asked now.
    `spent` holds, for a rate, all that counts.
    """

    demand: Demand
    spent: int
    reserved: int
    kind: Literal["exhausted", "contended", "limited", "tripped"]
    trip: Trip | None = None


class Crossing(NamedTuple):
    """What is spent on a counter has reached a mark for the first time; or it has `TRIPPED`."""

    key: Key
    metric: Metric
    mark: int
    spent: int


@dataclass(slots=True)
class Counter:
    """Spent and reserved, in the metric's unit, and the greatest mark that was told."""

    spent: int = 0
    reserved: int = 0
    told: int = 0
    """An amount, so that other marks can be told when the limit is changed."""
    tripped: Trip | None = None


@dataclass(slots=True)
class Open:
    """An open reservation and the moment its lease ends (same clock as `now`, seconds)."""

    entries: tuple[Demand, ...]
    lease_until: float


@dataclass(slots=True)
class Ledger:
    """Counters and open reservations. See the rules at the top of the file."""

    counters: dict[Key, Counter] = field(default_factory=dict)
    open: dict[str, Open] = field(default_factory=dict)
    #: What a swept reservation was charged, so that a late settlement can correct it.
    swept: dict[str, tuple[Demand, ...]] = field(default_factory=dict)
    #: Marks that were crossed since the last look (`take_crossed`), in order.
    crossed: list[Crossing] = field(default_factory=list)
    most_values: int = 2**63
    #: Where a rule has no room for more values until the window is forgotten, or it is reset.
    full: set[Group] = field(default_factory=set)
    _sizes: dict[Group, int] = field(default_factory=dict)

    def shortage(self, demands: Iterable[Demand]) -> Shortage | None:
        """The first demand that does not fit; a contended one after all others."""
        found: Shortage | None = None
        counters = self.counters
        for demand in demands:
            # Taken apart at once, which is what every call waits for.
            key, _, limit, amount, _, before, _, trip = demand
            if limit is None:
                continue
            counter = counters.get(key)
            spent, reserved = (counter.spent, counter.reserved) if counter else (0, 0)
            if trip and counter and counter.tripped:
                return Shortage(demand, spent, reserved, "tripped", counter.tripped)
            if before is not None:
                used = spent + reserved + self._carried(demand)
                if used + amount > limit:
                    return Shortage(demand, used, 0, "limited")
            elif spent + reserved + amount > limit:
                if spent + amount > limit:
                    return Shortage(demand, spent, reserved, "exhausted")
                found = found or Shortage(demand, spent, reserved, "contended")
        return found

    def _carried(self, demand: Demand) -> int:
        """What the bucket before still counts for, rounded up: a sliding window over two."""
        earlier = self.counters.get(demand.before) if demand.before is not None else None
        if earlier is None:
            return 0
        return -(-(earlier.spent + earlier.reserved) * demand.before_ppm // 1_000_000)

    def reserve(
        self, reservation_id: str, demands: Sequence[Demand], lease_until: float
    ) -> Shortage | None:
        """Hold every demand, or none and say which did not fit."""
        if reservation_id in self.open:
            return None
        if self.full:
            demands = self.placed(demands)
        if (short := self.shortage(demands)) is not None:
            return short
        counters = self.counters
        for demand in demands:
            (counters.get(demand.key) or self._counter(demand.key)).reserved += demand.amount
        self.open[reservation_id] = Open(tuple(demands), lease_until)
        return None

    def extend(
        self, reservation_id: str, more: Callable[[Demand], Demand | None]
    ) -> Shortage | None:
        """Hold more on counters that a reservation already holds, or none. Unknown id: nothing."""
        held = self.open.get(reservation_id)
        if held is None:
            return None
        demands = [demand for entry in held.entries if (demand := more(entry)) is not None]
        if (short := self.shortage(demands)) is not None:
            return short
        added = {demand.key: demand.amount for demand in demands}
        for key, amount in added.items():
            self._counter(key).reserved += amount
        held.entries = tuple(
            e._replace(amount=e.amount + added.get(e.key, 0)) for e in held.entries
        )
        return None

    def trip(self, demand: Demand, at: int) -> bool:
        """Trip the counter that had no room for `demand`; False if it had tripped before.

        Also if there is room by now: somebody has reset it since it was refused.
        """
        key = self.place(demand.key)
        counter = self.counters.get(key) or Counter()
        full = counter.spent + counter.reserved + demand.amount
        if not demand.trip or demand.limit is None or counter.tripped or full <= demand.limit:
            return False
        trip = Trip(at, demand.limit, counter.spent, counter.reserved, demand.amount)
        self._counter(key).tripped = trip
        self.crossed.append(Crossing(key, demand.metric, TRIPPED, trip.spent))
        return True

    def settle(self, reservation_id: str, actual: Callable[[Demand], int]) -> bool:
        """Turn what is held into what was used. False if the id is not open (already settled).

        A reservation whose lease ran out was charged in full; settling it corrects the sums.
        """
        held = self.open.get(reservation_id)
        entries = held.entries if held is not None else self.swept.get(reservation_id)
        if entries is None:
            return False
        # All amounts are known before anything changes: `actual` is the caller's and may raise.
        amounts = tuple(map(actual, entries))
        counters = self.counters
        for entry, amount in zip(entries, amounts, strict=True):
            counter = counters.get(entry.key) or self._counter(entry.key)
            if held is not None:
                counter.reserved -= entry.amount
                counter.spent += amount
            else:
                counter.spent += amount - entry.amount
            if entry.marks and counter.spent >= entry.marks[0]:
                self._tell(entry, counter)
        del (self.open if held is not None else self.swept)[reservation_id]
        return True

    def sweep(self, now: float) -> list[str]:
        """Charge, in full, reservations whose lease has ended; their ids."""
        late = [rid for rid, held in self.open.items() if held.lease_until <= now]
        for rid in late:
            entries = self.open.pop(rid).entries
            for entry in entries:
                counter = self._counter(entry.key)
                counter.reserved -= entry.amount
                counter.spent += entry.amount
                self._tell(entry, counter)
            self.swept[rid] = entries
        return late

    def take_crossed(self) -> list[Crossing]:
        """The marks that were crossed since the last call; each is given once."""
        crossed, self.crossed = self.crossed, []
        return crossed

    def _tell(self, demand: Demand, counter: Counter) -> None:
        """Note every mark that is reached now, also several at once, each only once."""
        for mark in demand.marks:
            if counter.told < mark <= counter.spent:
                counter.told = mark
                self.crossed.append(Crossing(demand.key, demand.metric, mark, counter.spent))

    def placed(self, demands: Sequence[Demand]) -> Sequence[Demand]:
        """The demands on the counters that there are, or that there is still room for.

        Those that share the overflow of a rule become one: a call counts once on a counter.
        """
        if not self.full:
            return demands
        placed = (
            demand._replace(
                key=self.place(demand.key), before=demand.before and self.place(demand.before)
            )
            for demand in demands
        )
        return list({demand.key: demand for demand in placed}.values())

    def place(self, key: Key) -> Key:
        """The counter for `key`: its own, or the one that is shared for want of room."""
        if key in self.counters or _group(key) not in self.full:
            return key
        return key._replace(value=OVERFLOW)

    def reset(self, rule: str, value: str | None = None) -> int:
        """Set what is spent back to 0: marks are told anew, and no trip is left. How many."""
        chosen = [k for k in self.counters if k.rule == rule and value in {None, k.value}]
        for key in chosen:
            counter = self.counters[key]
            counter.spent = counter.told = 0
            counter.tripped = None
        if self.full:
            keep = self._held() | {e.key for entries in self.swept.values() for e in entries}
            self._drop(key for key in chosen if key not in keep)
        return len(chosen)

    def forget(self, ended: Callable[[Key], bool]) -> None:
        """Drop counters of ended windows that nothing open refers to.

        A swept reservation on such a counter stays charged in full: nobody asks for it any more.
        """
        keep = self._held()
        self._drop([k for k in self.counters if k not in keep and ended(k)])
        for rid, entries in list(self.swept.items()):
            if any(entry.key not in self.counters for entry in entries):
                del self.swept[rid]

    def _held(self) -> set[Key]:
        return {entry.key for held in self.open.values() for entry in held.entries}

    def _counter(self, key: Key) -> Counter:
        counter = self.counters.get(key)
        if counter is None:
            counter = self.counters[key] = Counter()
            group = _group(key)
            size = self._sizes[group] = self._sizes.get(group, 0) + 1
            if size >= self.most_values:
                self.full.add(group)
        return counter

    def _drop(self, keys: Iterable[Key]) -> None:
        for key in keys:
            del self.counters[key]
            group = _group(key)
            left = self._sizes.pop(group, 0) - 1
            if left > 0:
                self._sizes[group] = left
        # As long as somebody is counted in the overflow, nobody gets a counter (and a limit) anew.
        self.full = {
            group
            for group in self.full
            if Key(group[0], OVERFLOW, *group[1:]) in self.counters
            or self._sizes.get(group, 0) >= self.most_values
        }
