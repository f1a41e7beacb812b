"""When to try again, and when not to. Pure: *now* and chance are arguments.

Rules of this file:

1. A wait is drawn from all of ``0 … ceiling`` (full jitter). Clamping *after* jitter would send
   everybody who has reached the cap back in the same moment.
2. What the other side asked for (Retry-After) is a floor, with jitter on top: many were told it.
3. No try begins later than the deadline. A wait that would end there is not begun.
4. Once a part of an answer has reached the program, nothing is tried again.
5. Refusals of ours are not tried again; with `wait_for_limits` those are that say when.
6. Of the calls of one name, retries are at most ``burst + share × calls`` (`RetryBudget`).
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from spanledger.recovery.failures import Failure, Kind

#: Failures that may be gone at the next try.
RETRYABLE: frozenset[Kind] = frozenset(
    {"rate_limited", "server", "connection", "timeout", "conflict"}
)
#: Jitter on top of a Retry-After: this part of it at least.
_SPREAD = 0.25

GaveUp = Literal["not retryable", "streamed", "attempts", "deadline", "budget"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, how long and for what. Raises `ValueError` for values of no use."""

    attempts: int = 4
    """Tries in all, the first one included."""
    base_s: float = 0.5
    """The first wait is at most this; the ceiling doubles with each try …"""
    cap_s: float = 8.0
    """… up to this."""
    deadline_s: float = 60.0
    """No try begins later than this after the first one."""
    on: frozenset[Kind] = RETRYABLE
    wait_for_limits: bool = False
    """Wait for refusals of ours that say when there is room (rates, open breakers)."""

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not self.attempts >= 1:
            raise ValueError(f"attempts is {self.attempts!r}; it must be at least 1")
        for name in ("base_s", "cap_s", "deadline_s"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value!r}; it must be a number of seconds, 0 or more")


class Verdict(NamedTuple):
    """Wait for so long and try again, or give up and say why."""

    wait_s: float
    gave_up: GaveUp | None = None


def verdict(
    policy: RetryPolicy,
    failure: Failure,
    attempt: int,
    elapsed_s: float,
    chance: float,
    *,
    streamed: bool = False,
) -> Verdict:
    """What follows on the failure of try number `attempt`; `chance` is in [0, 1)."""
    if not _may_pass(policy, failure):
        return Verdict(0.0, "not retryable")
    if streamed:
        return Verdict(0.0, "streamed")
    if attempt >= policy.attempts:
        return Verdict(0.0, "attempts")
    wait_s = wait_before(policy, attempt, failure.retry_after_s, chance)
    if elapsed_s + wait_s > policy.deadline_s:
        return Verdict(0.0, "deadline")
    return Verdict(wait_s)


def wait_before(
    policy: RetryPolicy, attempt: int, retry_after_s: float | None, chance: float
) -> float:
    """Seconds between try number `attempt` and the next; `chance` is in [0, 1)."""
    ceiling = min(policy.cap_s, policy.base_s * 2.0 ** min(attempt - 1, 64))
    if retry_after_s is None:
        return chance * ceiling
    floor = max(0.0, retry_after_s)
    return floor + chance * max(ceiling, floor * _SPREAD)


def _may_pass(policy: RetryPolicy, failure: Failure) -> bool:
    if failure.kind == "refused":
        return policy.wait_for_limits and failure.retry_after_s is not None
    return failure.kind in policy.on


@dataclass(slots=True)
class Bucket:
    """Tokens for retries, in thousandths: each call brings a share of one, each retry costs one.

    It begins with `burst` and never holds more, so that ``retries ≤ burst + share × calls`` at
    every moment, and a quiet hour does not save up for a storm.
    """

    share: float = 0.2
    burst: int = 10
    level: int = -1
    """Thousandths of a token; -1: full."""

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 1 and self.burst >= 0):
            raise ValueError(
                f"a retry budget of share {self.share!r} and burst {self.burst!r} is of no use; "
                "share must be 0 to 1, burst a whole number of 0 or more"
            )
        if self.level < 0:
            self.level = self.burst * _TOKEN

    def called(self) -> None:
        """A call began: it brings its share."""
        self.level = min(max(self.burst, 1) * _TOKEN, self.level + math.floor(self.share * _TOKEN))

    def take(self) -> bool:
        """Pay for one retry; False if there is nothing left."""
        if self.level < _TOKEN:
            return False
        self.level -= _TOKEN
        return True


_TOKEN = 1000
