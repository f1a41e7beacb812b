"""The rules of `backoff.py`, each by its name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.recovery.backoff import (
    RETRYABLE,
    Bucket,
    RetryPolicy,
    verdict,
    wait_before,
)
from spanledger.recovery.failures import Failure

SECONDS = st.floats(0, 100)
CHANCE = st.floats(0, 1, exclude_max=True)
POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 10),
    base_s=SECONDS,
    cap_s=SECONDS,
    deadline_s=SECONDS,
    wait_for_limits=st.booleans(),
)
FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(sorted(RETRYABLE | {"refused", "other", "quota", "bad_request"})),
    detail=st.just(""),
    retry_after_s=st.none() | SECONDS,
)


@given(POLICIES, st.integers(1, 100), CHANCE)
def test_rule_1_a_wait_is_drawn_from_all_of_nothing_to_the_ceiling(
    policy: RetryPolicy, attempt: int, chance: float
) -> None:
    ceiling = min(policy.cap_s, policy.base_s * 2.0 ** min(attempt - 1, 64))
    assert wait_before(policy, attempt, None, 0.0) == 0
    assert 0 <= wait_before(policy, attempt, None, chance) <= ceiling


@given(POLICIES, st.integers(1, 100), CHANCE, SECONDS)
def test_rule_2_what_was_asked_for_is_a_floor_with_jitter_on_top(
    policy: RetryPolicy, attempt: int, chance: float, asked_s: float
) -> None:
    wait_s = wait_before(policy, attempt, asked_s, chance)
    assert asked_s <= wait_s <= asked_s + max(policy.cap_s, asked_s / 4)
    if asked_s > 0.001 and chance > 0.001:
        assert wait_s > asked_s


@given(POLICIES, FAILURES, st.integers(1, 10), SECONDS, CHANCE)
def test_rule_3_no_try_begins_later_than_the_deadline(
    policy: RetryPolicy, failure: Failure, attempt: int, elapsed_s: float, chance: float
) -> None:
    found = verdict(policy, failure, attempt, elapsed_s, chance)
    if found.gave_up is None:
        assert elapsed_s + found.wait_s <= policy.deadline_s
        assert attempt < policy.attempts


@given(POLICIES, FAILURES, st.integers(1, 10), SECONDS, CHANCE)
def test_rule_4_nothing_is_tried_again_once_something_was_streamed(
    policy: RetryPolicy, failure: Failure, attempt: int, elapsed_s: float, chance: float
) -> None:
    found = verdict(policy, failure, attempt, elapsed_s, chance, streamed=True)
    assert found.gave_up in ("streamed", "not retryable")


@given(POLICIES, FAILURES, st.integers(1, 10), SECONDS, CHANCE)
def test_rule_5_a_refusal_is_waited_for_only_if_wanted_and_if_it_says_when(
    policy: RetryPolicy, failure: Failure, attempt: int, elapsed_s: float, chance: float
) -> None:
    refused = failure._replace(kind="refused")
    found = verdict(policy, refused, attempt, elapsed_s, chance)
    if not policy.wait_for_limits or refused.retry_after_s is None:
        assert found.gave_up == "not retryable"


@given(st.lists(st.booleans(), max_size=300), st.floats(0, 1), st.integers(0, 20))
def test_rule_6_retries_never_exceed_the_burst_and_a_share_of_the_calls(
    steps: list[bool], share: float, burst: int
) -> None:
    """True: a call begins. False: one wants to be tried again."""
    bucket = Bucket(share, burst)
    calls = retries = 0
    for is_call in steps:
        if is_call:
            bucket.called()
            calls += 1
        else:
            retries += bucket.take()
        assert retries <= burst + share * calls + 1e-9


def test_a_quiet_hour_saves_nothing_up() -> None:
    bucket = Bucket(share=0.2, burst=3)
    for _ in range(1000):
        bucket.called()
    assert sum(bucket.take() for _ in range(100)) == 3


@pytest.mark.parametrize(
    "wrong", [{"attempts": 0}, {"attempts": True}, {"base_s": -1.0}, {"deadline_s": float("nan")}]
)
def test_a_policy_of_no_use_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # some are of the wrong type on purpose


@pytest.mark.parametrize("wrong", [{"share": 1.5}, {"share": -0.1}, {"burst": -1}])
def test_a_budget_of_no_use_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="retry budget"):
        Bucket(**wrong)  # type: ignore[arg-type]  # a whole number is a number
