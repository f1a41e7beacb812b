"""One try, as a context manager: it says which one it is, and judges how it failed."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from spanledger import semconv
from spanledger.recovery import _acts
from spanledger.recovery._budgets import RetryBudget
from spanledger.recovery._timing import Timing
from spanledger.recovery.backoff import GaveUp, RetryPolicy, Verdict, verdict
from spanledger.recovery.failures import Failure, classify
from spanledger.track import Try, trying


class Series:
    """The tries of one piece of work: what they share."""

    def __init__(self, name: str, policy: RetryPolicy, budget: RetryBudget, timing: Timing) -> None:
        self.name, self.policy, self.budget, self.timing = name, policy, budget, timing
        self.started_s = timing.monotonic()
        self.failure: Failure | None = None
        """How the try before failed."""
        self.wait_s = 0.0
        budget.called()

    def elapsed_s(self) -> float:
        """Seconds since the first try began."""
        return self.timing.monotonic() - self.started_s

    def goes_on(self, error: Exception, this: Try) -> bool:
        """Judge a failure: whether another try follows."""
        failure = classify(error, self.timing.wall())
        found = verdict(
            self.policy,
            failure,
            this.number,
            self.elapsed_s(),
            self.timing.chance(),
            streamed=this.streamed,
        )
        if found.gave_up is None and not self.budget.take():
            found = Verdict(0.0, "budget")
        if found.gave_up is not None:
            self._gives_up(error, failure, this.number, found.gave_up)
            return False
        self.failure, self.wait_s = failure, found.wait_s
        return True

    def _gives_up(self, error: Exception, failure: Failure, number: int, why: GaveUp) -> None:
        if why == "not retryable" and number == 1:
            return  # an ordinary error; nothing was done about it
        facts = {
            semconv.RECOVERY_FAILURE: failure.kind,
            semconv.RECOVERY_GAVE_UP: why,
            semconv.CALL_ATTEMPT: number,
        }
        _acts.ended("retry", self.name, **facts)
        error.add_note(f"retry {self.name!r}: gave up after try {number} ({_WHY[why]}).")


_WHY: dict[GaveUp, str] = {
    "not retryable": "another try would fail as well",
    "streamed": "a part of the answer had reached the program already",
    "attempts": "there are no tries left",
    "deadline": "the next one would begin after the deadline",
    "budget": "too many of the last calls were retries; see RetryBudget",
}


class Attempt:
    """One try, for a ``with`` statement; `retry` makes them."""

    def __init__(self, series: Series, number: int) -> None:
        self._series = series
        self._try = Try(number)
        self._stack = ExitStack()
        self.entered = False
        self.failed: BaseException | None = None
        """The error after which another try follows."""

    @property
    def number(self) -> int:
        """1 for the first try."""
        return self._try.number

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline: a fit time-out for what is done in this try."""
        return max(0.0, self._series.policy.deadline_s - self._series.elapsed_s())

    def streamed(self) -> None:
        """A part of the answer has reached somebody: from here on no other try follows.

        Gated clients say so by themselves with the first token of a stream.
        """
        self._try.streamed = True

    def __enter__(self) -> Self:
        self.entered = True
        series = self._series
        if series.failure is not None:
            more: dict[str, Any] = {
                semconv.CALL_ATTEMPT: self.number,
                semconv.RECOVERY_WAIT_S: series.wait_s,
            }
            span = _acts.act("retry", series.name, series.failure.kind, **more)
            self._stack.enter_context(span)
        self._stack.enter_context(trying(self._try))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._stack.__exit__(kind, error, traceback)
        if not isinstance(error, Exception) or not self._series.goes_on(error, self._try):
            return False
        self.failed = error
        return True
