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
    except Exception as error:  # noqa: BLE001 - a failure of ours is not the host's
        refuse_where_limits_hold(error)
        return None


def refuse_where_limits_hold(error: Exception) -> None:
    """Log our failure in front of a call. Raises the refusal if there are limits to hold."""
    _log.error("a request could not be examined", exc_info=error)
    if not current().holds_limits():
        return
    raise Refusal(
        "gate_failed",
        detail=f"The request could not be examined ({type(error).__name__}), "
        "so the limits could not be held.",
        advice="This is a defect of Spanledger: please report it with the log of "
        "`spanledger.gate`. SPANLEDGER_ENABLED=false runs without limits.",
    ).error() from error
