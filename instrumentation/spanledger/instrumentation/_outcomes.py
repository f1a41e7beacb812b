"""What breakers learn from a call: how the provider behaved."""

import time
from typing import Any

from spanledger.guard.breaker import Outcome
from spanledger.guard.outcomes import outcome_of_error, outcome_of_status, parse_retry_after
from spanledger.instrumentation._facts import ReportedFailure
from spanledger.instrumentation._failures import headers_of, retry_delay_s

#: Ways out of a stream that say nothing about the provider if it had not answered yet.
_LEFT = frozenset({"closed", "abandoned", "cancelled"})


#: Words of providers for what is the request's fault, or nobody's.
_NOT_THEIRS = ("invalid", "policy", "content", "image", "unsupported", "not_found", "empty")
_LIMITS = ("rate_limit", "quota")


def of_attempt(status: int | None, error: BaseException | None, response: Any) -> Outcome:
    """The outcome of an attempt that failed and is followed by another."""
    if status is not None:
        return outcome_of_status(status, retry_after_s(response, error))
    return "failed" if error is None else outcome_of_error(error)


def of_call(how: str, error: BaseException | None, *, answered: bool) -> Outcome:
    """The outcome of a call that is over. `how` is the way out of its stream, if it was one."""
    if isinstance(error, ReportedFailure):
        return _of_code(error.code)
    if error is not None:
        return outcome_of_error(error, retry_after_s(getattr(error, "response", None), error))
    return "cancelled" if how in _LEFT and not answered else "ok"


def _of_code(code: str) -> Outcome:
    """What a provider says in an answer whose status was 200."""
    if any(word in code for word in _LIMITS):
        return outcome_of_status(429)
    return "ok" if any(word in code for word in _NOT_THEIRS) else "failed"


def retry_after_s(response: Any, error: BaseException | None = None) -> float | None:
    """Seconds after which the provider allows another attempt; None if it does not say."""
    value = headers_of(response).get("retry-after")
    if isinstance(value, str):
        return parse_retry_after(value, time.time())
    return retry_delay_s(error)
