"""What happens when our own code fails in front of a call: the limit wins over the feature."""

import logging
from collections.abc import Callable
from typing import TypeVar

from spanledger.guard import Refusal, SpanledgerRefusal, current

_log = logging.getLogger("spanledger.gate")

T = TypeVar("T")


def safely(make: Callable[[], T]) -> T | None:
    """The result of `make`. If it fails: None without limits, a refusal where limits hold.

    A call that can't be looked at can't be counted; under a budget it is not let through.
    """
    try:
        return make()
    except SpanledgerRefusal:
        raise
    except Exception as error:
        _log.exception("a request could not be examined")
        if not current().holds_limits():
            return None
        raise Refusal(
            "gate_failed",
            detail=f"The request could not be examined ({type(error).__name__}), "
            "so the limits could not be held.",
            advice="This is a defect of Spanledger: please report it with the log of "
            "`spanledger.gate`. SPANLEDGER_ENABLED=false runs without limits.",
        ).error() from error
