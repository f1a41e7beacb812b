"""The score: its formula, and the rules that hold for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.health.scoring import SIGNS, SignName, judge, state_of, strain

NAMES = [sign.name for sign in SIGNS]
VALUES = st.dictionaries(st.sampled_from(NAMES), st.none() | st.floats(0, 2), max_size=len(NAMES))


@pytest.mark.parametrize("sign", SIGNS, ids=NAMES)
def test_a_bad_sign_alone_takes_its_weight_and_a_good_one_nothing(sign: object) -> None:
    found = next(s for s in SIGNS if s is sign)
    assert judge({found.name: found.good}).score == 100
    assert judge({found.name: found.bad}).score == pytest.approx(100 * (1 - found.weight))
    half = (found.good + found.bad) / 2
    assert judge({found.name: half}).score == pytest.approx(100 * (1 - found.weight / 2))


def test_what_nobody_can_tell_takes_nothing_away() -> None:
    assert judge({}) == judge({"memory": None, "cpu": float("nan")})
    assert judge({}).state == "healthy"


def test_short_memory_or_files_alone_make_a_process_unhealthy() -> None:
    states = {sign.name: judge({sign.name: 1.0}).state for sign in SIGNS}
    assert states == {
        "memory": "unhealthy",
        "cpu": "strained",
        "files": "unhealthy",
        "failures": "unhealthy",
        "slow": "strained",
    }


def test_the_worst_stands_first_with_what_to_do() -> None:
    found = judge({"cpu": 1.0, "memory": 0.96}).findings
    assert [finding.sign for finding in found] == ["memory", "cpu"]
    assert found[0].sentence.startswith("96% of the memory")
    assert "trim_memory" in found[0].advice


@given(VALUES, st.sampled_from(NAMES), st.floats(0, 2), st.floats(0, 2))
def test_a_higher_sign_never_raises_the_score(
    values: dict[SignName, float | None], name: SignName, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert judge({**values, name: high}).score <= judge({**values, name: low}).score


@given(VALUES)
def test_the_score_lies_between_0_and_100_and_its_findings_explain_it(
    values: dict[SignName, float | None],
) -> None:
    found = judge(values)
    product = 100.0
    for finding in found.findings:
        (sign,) = [s for s in SIGNS if s.name == finding.sign]
        assert finding.strain == strain(sign, finding.value) > 0
        product *= 1 - sign.weight * finding.strain
    assert 0 <= found.score <= 100
    assert found.score == pytest.approx(product)
    assert found.state == state_of(found.score)
