"""What breakers learn from a call: how the provider behaved."""

import time
from typing import Any

from spanledger.guard.breaker import Outcome
from spanledger.guard.outcomes import outcome_of_error, outcome_of_status, parse_retry_after

#: Ways out of a stream that say nothing about the provider if it had not answered yet.
_LEFT = frozenset({"closed", "abandoned", "cancelled"})


def of_attempt(status: int | None, error: BaseException | None, response: Any) -> Outcome:
    """The outcome of an attempt that failed and is followed by another."""
    if status is not None:
        return outcome_of_status(status, _retry_after_s(response))
    return "failed" if error is None else outcome_of_error(error)


def of_call(how: str, error: BaseException | None, *, answered: bool) -> Outcome:
    """The outcome of a call that is over. `how` is the way out of its stream, if it was one."""
    if error is not None:
        return outcome_of_error(error, _retry_after_s(getattr(error, "response", None)))
    return "cancelled" if how in _LEFT and not answered else "ok"


def _retry_after_s(response: Any) -> float | None:
    value = getattr(response, "headers", {}).get("retry-after")
    return parse_retry_after(value, time.time()) if isinstance(value, str) else None
