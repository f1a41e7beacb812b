"""Random programs that any two stores must answer alike: same admissions, same sums."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from spanledger.guard.ledger import Counter, Crossing, Demand, Key
from spanledger.guard.stores import SqliteStore, Store
from spanledger.guard.stores.redis import RedisStore

LIMITS: dict[Key, int | None] = {
    Key("day", "", 100): 60,
    Key("session", "s1", 0): 25,
    Key("agent", "a/b", 100): 200,
    Key("rate", "", 60): 40,
    Key("soft", "ü", 0): None,
    Key("never", "", 0): 0,
}
KEYS = list(LIMITS)
RATE, BEFORE = Key("rate", "", 60), Key("rate", "", 0)
#: Budgets that trip; one of them also where nothing was ever counted on it.
TRIPPING = (KEYS[0], KEYS[2], KEYS[5])
#: Limits that a program may change, as people do while agents run.
CHANGED = (KEYS[0], KEYS[1], KEYS[4])
LEASE_S = 60.0


class Step(NamedTuple):
    """One operation on both stores. `pick` chooses among the reservations made so far."""

    name: str
    keys: tuple[Key, ...] = ()
    amounts: tuple[int, ...] = ()
    pick: int = 0
    seconds: float = 0.0


_amounts = st.lists(st.integers(0, 30), min_size=len(KEYS), max_size=len(KEYS)).map(tuple)
_keys = st.sets(st.sampled_from(KEYS[:5]), min_size=1).map(
    lambda chosen: tuple(key for key in KEYS if key in chosen)
)
_picks = st.integers(0, 9)
_STEPS = [
    st.builds(Step, st.just("reserve"), keys=_keys, amounts=_amounts),
    st.builds(Step, st.just("reserve"), keys=_keys, amounts=_amounts),
    st.builds(Step, st.just("reserve"), keys=st.just((KEYS[5],)), amounts=_amounts),
    st.builds(Step, st.just("again"), pick=_picks),
    st.builds(Step, st.just("extend"), amounts=_amounts, pick=_picks),
    st.builds(Step, st.just("settle"), amounts=_amounts, pick=_picks),
    st.builds(Step, st.just("settle"), amounts=_amounts, pick=_picks),
    st.builds(Step, st.just("release"), pick=_picks),
    st.builds(Step, st.just("reset"), keys=st.sampled_from(KEYS).map(lambda key: (key,))),
    st.builds(
        Step,
        st.just("limit"),
        keys=st.sampled_from(CHANGED).map(lambda key: (key,)),
        amounts=st.integers(0, 90).map(lambda limit: (limit,)),
    ),
    st.builds(
        Step,
        st.just("trip"),
        keys=st.sampled_from(KEYS).map(lambda key: (key,)),
        amounts=_amounts,
        pick=_picks,
    ),
    st.builds(Step, st.just("forget"), keys=st.sampled_from(KEYS).map(lambda key: (key,))),
]
_TIME = st.builds(Step, st.just("wait"), seconds=st.sampled_from((1.0, 30.0, 61.0)))

#: With steps that let time pass (leases end), for stores whose clock a test holds.
TIMED_PROGRAMS = st.lists(st.one_of(*_STEPS, _TIME), max_size=40)
#: Without, for stores whose clock is a server's.
PROGRAMS = st.lists(st.one_of(*_STEPS), max_size=40)


class Runner:
    """One program on one store. What it saw can be compared with what another runner saw.

    `settle_down` is called after each step: a store that works in the background finishes.
    """

    def __init__(
        self,
        store: Store,
        *,
        advance: Callable[[float], object] = lambda _s: None,
        settle_down: Callable[[], object] = lambda: None,
        prefix: str = "r",
    ) -> None:
        self.store = store
        self.crossed: list[Crossing] = []
        self._advance = advance
        self._settle_down = settle_down
        self._prefix = prefix
        self._made: dict[str, list[Demand]] = {}
        self._limits = dict(LIMITS)
        store.on_crossed(self.crossed.append)

    def run(self, program: Sequence[Step]) -> list[Any]:
        """What each step answered, and the sums after it."""
        return [(self._step(step), self.sums()) for step in program]

    def sums(self) -> dict[Key, Counter]:
        """What is spent, reserved and told, where that is not nothing."""
        self._settle_down()
        read = ((key, self.store.read(key)) for key in (*KEYS, BEFORE))
        return {key: counter for key, counter in read if counter != Counter()}

    def _step(self, step: Step) -> Any:
        if step.name in {"reserve", "trip"}:
            return self._ask(step, self._demands(step))
        if step.name == "limit":
            self._limits[step.keys[0]] = step.amounts[0]
            return None
        if step.name == "wait":
            return self._advance(step.seconds)
        if step.name == "reset":
            return self.store.reset(step.keys[0].rule)
        if step.name == "forget":
            return self.store.forget(step.keys[0].rule, step.keys[0].window_start + 1)
        return self._to_one(step) if self._made else None

    def _ask(self, step: Step, demands: list[Demand]) -> Any:
        if step.name == "trip":
            return self.store.trip(demands[0], 1_000_000_000 + step.pick)
        return self._reserve(f"{self._prefix}{len(self._made)}", demands)

    def _to_one(self, step: Step) -> Any:
        rid = sorted(self._made)[step.pick % len(self._made)]
        amounts = dict(zip(KEYS, step.amounts, strict=False))
        if step.name == "again":
            return self._reserve(rid, self._made[rid])
        if step.name == "extend":
            return self.store.extend(
                rid, lambda e: e._replace(amount=amounts[e.key]) if amounts[e.key] else None
            )
        if step.name == "release":
            return self.store.settle(rid, lambda _: 0)
        estimated = (None, True, False)[step.pick % 3]
        return self.store.settle(rid, lambda entry: amounts[entry.key], estimated=estimated)

    def _reserve(self, rid: str, demands: list[Demand]) -> Any:
        grant = self.store.reserve(rid, demands, lease_s=LEASE_S, max_wait_s=0.0)
        if grant.shortage is None:
            self._made[rid] = demands
        return grant.shortage

    def _demands(self, step: Step) -> list[Demand]:
        amounts = dict(zip(KEYS, step.amounts, strict=True))
        return [
            Demand(key, "tokens", limit, amounts[key], _marks(limit), BEFORE, 300_000)
            if key == RATE
            else Demand(key, "tokens", limit, amounts[key], _marks(limit), trip=key in TRIPPING)
            for key in step.keys
            for limit in (self._limits[key],)
        ]


def _marks(limit: int | None) -> tuple[int, ...]:
    """As a budget's thresholds: they move with its limit."""
    if limit is None:
        return (10, 20, 21)
    return tuple(sorted({limit // 4, limit // 2, limit // 2 + 1} - {0}))


def assert_journal_sums_up(store: SqliteStore | RedisStore, program: Sequence[Step]) -> None:
    """What was charged by the settlement journal is what the counters have spent."""
    if any(step.name == "forget" for step in program):
        return
    charged: dict[Key, int] = defaultdict(int)
    for change in store.settlements():
        charged[change.key] += change.charged
    for key, counter in store.counters():
        assert charged.pop(key, 0) == counter.spent
    assert not any(charged.values())


def journal_of(store: SqliteStore | RedisStore) -> list[tuple[object, ...]]:
    """The settlement journal without its times, which are each store's own."""
    return sorted((c.reservation_id, c.kind, *c.key, *c[4:]) for c in store.settlements())
