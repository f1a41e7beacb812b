"""When an estimate in bytes does not fit, the guard asks for a closer one before it refuses."""

import asyncio
import threading

from spanledger.config import GuardSettings
from spanledger.guard import NOTHING_SPENT, Budget, Call, Estimate
from tests.guard._calls import NOON_S, WAIT, call, guard

TOKENS = Budget("tokens", "tokens", 100)


def unsure(tokens: int, closer: int, seen: list[int] | None = None) -> Call:
    """A call of at most `tokens` tokens, of which a closer look leaves `closer`."""

    def refine() -> Estimate:
        if seen is not None:
            seen.append(threading.get_ident())
        return Estimate(closer, 0, None, "input:tiktoken output:request")

    return call(tokens=tokens)._replace(refine=refine)


def test_a_call_that_fits_is_not_looked_at_twice() -> None:
    seen: list[int] = []
    assert guard(TOKENS).admit(unsure(100, 1, seen)).allowed
    assert seen == []


def test_a_call_that_fits_after_a_closer_look_holds_the_closer_estimate() -> None:
    held = guard(TOKENS)
    decision = held.admit(unsure(400, 90))
    assert decision.allowed
    assert decision.call.estimate.method == "input:tiktoken output:request"
    (state,) = held.state(call())
    assert (state.reserved, state.spent) == (90, 0)


def test_a_call_that_does_not_fit_either_way_is_refused_by_the_closer_estimate() -> None:
    decision = guard(TOKENS).admit(unsure(400, 101))
    assert decision.refusal is not None
    assert decision.refusal.asked == 101


def test_what_no_estimate_can_change_is_refused_without_a_closer_look() -> None:
    seen: list[int] = []
    calls = Budget("calls", "calls", 0)
    assert not guard(calls).admit(unsure(1, 1, seen)).allowed
    assert seen == []


def test_a_call_waits_for_others_with_its_closer_estimate() -> None:
    held = guard(TOKENS, settings=WAIT, clock=lambda: NOON_S)
    first = held.admit(unsure(60, 60)).granted()
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(held.admit(unsure(300, 70))))
    waiting.start()
    while not held.store.waiting():  # type: ignore[attr-defined]  # it is a MemoryStore
        assert waiting.is_alive()
    held.settle(first, NOTHING_SPENT)
    waiting.join(10)
    assert answers[0].allowed
    assert answers[0].call.estimate.input_tokens == 70


def test_an_event_loop_does_not_count_tokens_on_its_own_thread() -> None:
    seen: list[int] = []
    held = guard(TOKENS, settings=GuardSettings())
    decision = asyncio.run(held.admit_async(unsure(400, 90, seen)))
    assert decision.allowed
    assert len(seen) == 1
    assert seen[0] != threading.get_ident()
