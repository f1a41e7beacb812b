"""Ceilings let exactly as much through as they say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.guard.ceilings import CeilingHit, Ceilings, SessionUse, reached

LIMITS = {"max_steps": "steps", "max_calls": "calls", "max_tokens": "tokens", "max_depth": "depth"}


@given(ceiling=st.sampled_from(sorted(LIMITS)), limit=st.integers(0, 10**9))
def test_exactly_the_limit_passes_and_one_more_does_not(ceiling: str, limit: int) -> None:
    ceilings = Ceilings("c", **{ceiling: limit})
    at, above = (SessionUse(**{LIMITS[ceiling]: limit + more}) for more in (0, 1))
    assert reached(ceilings, at) is None
    hit = reached(ceilings, above)
    assert hit is not None
    assert (hit.rule, hit.ceiling, hit.value, hit.limit) == ("c", ceiling, limit + 1, limit)


def test_when_the_time_is_over_nothing_more_passes() -> None:
    ceilings = Ceilings("c", max_wall_s=60.0)
    assert reached(ceilings, SessionUse(wall_s=59.999)) is None
    assert reached(ceilings, SessionUse(wall_s=60.0)) == CeilingHit("c", "max_wall_s", 60.0, 60.0)


@given(st.builds(SessionUse, *[st.integers(0, 10**12)] * 5))
def test_without_ceilings_everything_passes(use: SessionUse) -> None:
    assert reached(Ceilings(), use) is None


def test_zero_lets_nothing_through() -> None:
    """0 is not "unlimited"."""
    asked = SessionUse().plus(steps=1, calls=1, tokens=10, depth=1)
    for ceiling in (*LIMITS, "max_wall_s"):
        assert reached(Ceilings("c", **{ceiling: 0}), asked) is not None


def test_what_is_asked_is_added_but_depth_is_the_calls_own() -> None:
    used = SessionUse(steps=3, depth=5, wall_s=7.0, calls=2, tokens=100)
    after = used.plus(steps=1, calls=1, tokens=50, depth=2)
    assert after == SessionUse(steps=4, depth=2, wall_s=7.0, calls=3, tokens=150)


def test_the_first_of_several_is_told_always_the_same() -> None:
    ceilings = Ceilings("c", max_steps=1, max_depth=1, max_tokens=1)
    hit = reached(ceilings, SessionUse(steps=2, depth=2, tokens=2))
    assert hit is not None
    assert hit.ceiling == "max_depth"


@pytest.mark.parametrize(
    ("hit", "sentence"),
    [
        (
            CeilingHit("run", "max_steps", 21, 20),
            "Ceiling 'run': max_steps is 20; this call would make it 21.",
        ),
        (
            CeilingHit("run", "max_tokens", 1_500_000, 1_000_000),
            "Ceiling 'run': max_tokens is 1000000 tokens; this call would make it 1500000 tokens.",
        ),
        (
            CeilingHit("run", "max_wall_s", 61.24, 60),
            "Ceiling 'run': max_wall_s is 60 s, and 61.2 s have passed.",
        ),
    ],
)
def test_a_hit_says_which_ceiling_and_how_far(hit: CeilingHit, sentence: str) -> None:
    assert hit.sentence() == sentence


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_steps", -1),
        ("max_steps", 1.5),
        ("max_steps", True),
        ("max_depth", "3"),
        ("max_wall_s", float("nan")),
        ("max_wall_s", float("inf")),
        ("max_tokens", -5),
    ],
)
def test_a_ceiling_of_no_use_is_refused_with_its_name_and_value(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"ceilings 'c': {field} is .*it must be"):
        Ceilings("c", **{field: value})
