"""Random lives of a breaker keep its properties, and the test notices when they are broken."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from spanledger.guard.breaker import Breaker, Outcome, Permit, State, Transition
from tests.guard._breaker_machine import RULE, TARGET, BreakerMachine

SETTINGS = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
#: To find a mutant is enough, always in the same way; it need not be the shortest.
HUNT = settings(
    SETTINGS,
    max_examples=600,
    phases=(Phase.generate,),
    database=None,
    derandomize=True,
    report_multiple_bugs=False,
)


def test_random_lives_keep_all_properties() -> None:
    run_state_machine_as_test(BreakerMachine, settings=SETTINGS)


class _PermitLost(Breaker):
    """A cancelled probe keeps its permit."""

    def report(self, permit: Permit, outcome: Outcome, now: float) -> Transition | None:
        if outcome == "cancelled" and self.state == "half_open":
            permit.reported = True
            return None
        return super().report(permit, outcome, now)


class _OneTooMany(Breaker):
    """A probe that passed makes room for another one."""

    def _has_permit(self) -> bool:
        return self.out < self.rule.permits


class _OldCounts(Breaker):
    """Results of an older generation are counted."""

    def report(self, permit: Permit, outcome: Outcome, now: float) -> Transition | None:
        permit.generation = self.generation
        return super().report(permit, outcome, now)


class _NeverShuts(Breaker):
    """The open time does not grow."""

    def _enter(self, state: State, now: float) -> float | None:
        if state == "open":
            self.trips = 0
        return super()._enter(state, now)


class _NoMinimum(Breaker):
    """One failure is enough."""

    def _too_bad(self) -> bool:
        return self.window.failed > 0 or super()._too_bad()


class _Unthrottled(Breaker):
    """A 429 holds nothing back."""

    def _throttle(self, after_s: float | None, now: float) -> None:
        """Believe nothing."""


MUTANTS = (_PermitLost, _OneTooMany, _OldCounts, _NeverShuts, _NoMinimum, _Unthrottled)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.__name__))
def test_the_machine_finds_a_broken_breaker(mutant: type[Breaker]) -> None:
    """A test that can't fail proves nothing."""

    class Machine(BreakerMachine):
        make = staticmethod(lambda: mutant(RULE, TARGET))

    with pytest.raises(AssertionError, match=r"B[1-7]"):
        run_state_machine_as_test(Machine, settings=HUNT)
