"""What is shown of a counter is what the ledger refuses by."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from spanledger.guard import Budget, RateLimit
from spanledger.guard.ledger import Counter, Demand, Key, Ledger
from spanledger.guard.rules import Per
from spanledger.guard.standing import CounterUse, budget_uses, rate_uses

NOON_S = 1_768_478_400.0
_AMOUNTS = st.integers(0, 200)
_PERS: st.SearchStrategy[Per] = st.sampled_from(["second", "minute", "hour"])


@given(
    per=_PERS,
    now=st.floats(1.7e9, 1.8e9),
    earlier=st.tuples(_AMOUNTS, _AMOUNTS),
    present=st.tuples(_AMOUNTS, _AMOUNTS),
)
def test_what_is_left_of_a_rate_is_what_the_ledger_still_admits(
    per: Per, now: float, earlier: tuple[int, int], present: tuple[int, int]
) -> None:
    """To the last call: `remaining` more fit, and one more does not."""
    rate = RateLimit("r", "calls", 300, per)
    start, before, part = rate.bucket(now)
    counters = {
        Key("r", "", before, "calls"): Counter(*earlier),
        Key("r", "", start, "calls"): Counter(*present),
    }
    (use,) = rate_uses(rate, counters.items(), now) or (CounterUse("", 0, 0, 300),)
    ledger = Ledger(counters)

    def fits(amount: int) -> bool:
        key, old = Key("r", "", start, "calls"), Key("r", "", before, "calls")
        return ledger.shortage([Demand(key, "calls", 300, amount, (), old, part)]) is None

    assert use.remaining == 0 or fits(use.remaining)
    assert not fits(use.remaining + 1)


def test_a_budget_shows_the_present_window_only_and_its_end_in_its_zone() -> None:
    """Berlin's 16 January begins an hour before that of UTC. What it once counted is not shown."""
    zone = ZoneInfo("Europe/Berlin")
    budget = Budget("b", "calls", 10, "day", "user", zone)
    start = int(datetime(2026, 1, 15, tzinfo=zone).timestamp())
    counters = [
        (Key("b", "ada", start, "calls"), Counter(3, 1)),
        (Key("b", "bob", start, "calls"), Counter(9, 0)),
        (Key("b", "ada", start - 86_400, "calls"), Counter(10, 0)),
        (Key("b", "eve", start, "tokens"), Counter(10, 0)),
    ]
    bob, ada = budget_uses(budget, counters, NOON_S)
    assert (bob.value, bob.spent, ada.value, ada.remaining) == ("bob", 9, "ada", 6)
    assert ada.resets_at == datetime(2026, 1, 15, 23, tzinfo=UTC).timestamp()


def test_calls_at_once_are_those_that_run() -> None:
    """Concurrency has no window: what is reserved is what runs."""
    rate = RateLimit("c", "concurrency", 8, scope="agent")
    (use,) = rate_uses(rate, [(Key("c", "a", 0, "concurrency"), Counter(0, 3))], NOON_S)
    assert (use.value, use.spent, use.reserved, use.remaining) == ("a", 0, 3, 5)


def test_what_has_left_the_sliding_window_is_not_shown() -> None:
    """Two minutes later nothing of it counts."""
    rate = RateLimit("r", "calls", 5, "minute", "user")
    counters = [(Key("r", "ada", int(NOON_S), "calls"), Counter(5, 0))]
    assert rate_uses(rate, counters, NOON_S)[0].remaining == 0
    assert rate_uses(rate, counters, NOON_S + 120) == ()


def test_a_limit_of_nothing_is_used_up_by_anything() -> None:
    """No division by 0."""
    assert CounterUse("", 0, 0, 0).used_part == 0.0
    assert CounterUse("", 1, 0, 0).used_part == 1.0
    assert CounterUse("", 3, 3, 4).used_part == 1.5
