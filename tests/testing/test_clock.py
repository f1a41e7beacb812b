from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.testing.clock import TickingClock, sequential_ids


def test_the_clock_stands_still_until_it_is_moved() -> None:
    clock = TickingClock(1000.0)

    assert [clock(), clock(), clock.monotonic()] == [1000.0, 1000.0, 0.0]
    clock.advance(2.5)
    assert [clock(), clock.monotonic(), clock.time_ns()] == [1002.5, 2.5, 1_002_500_000_000]


def test_a_tick_follows_every_read() -> None:
    clock = TickingClock(10.0, tick_s=0.5)

    assert [clock(), clock(), clock.monotonic()] == [10.0, 10.5, 1.0]


def test_a_jump_moves_the_wall_clock_alone() -> None:
    clock = TickingClock(1000.0)
    clock.jump(-400)

    assert (clock(), clock.monotonic()) == (600.0, 0.0)


async def test_sleeping_advances_without_waiting() -> None:
    clock = TickingClock(0.0)
    clock.sleep(3600)
    await clock.sleep_async(3600)

    assert clock() == 7200.0


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match=r"use jump\(\)"):
        TickingClock().advance(-1)


@given(st.lists(st.integers(0, 10**6), max_size=50))
def test_steps_add_up_exactly(milliseconds: list[int]) -> None:
    clock = TickingClock(0.0)
    for step in milliseconds:
        clock.advance(step / 1000)

    assert clock.time_ns() == sum(milliseconds) * 1_000_000


def test_ids_count_up_and_are_unique_across_threads() -> None:
    next_id = sequential_ids("call", start=7)
    assert [next_id(), next_id()] == ["call-000007", "call-000008"]

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: next_id(), range(800)))
    assert len(set(ids)) == 800
