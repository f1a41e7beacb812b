"""What happens when our own code fails in front of a call: the limit wins over the feature."""

import logging

from spanledger.guard import Refusal, SpanledgerRefusal, current

_log = logging.getLogger("spanledger.gate")


def refuse_where_limits_hold(error: Exception) -> None:
    """Deal with an error in front of a call. Raises the refusal if there are limits to hold.

    A call that can't be looked at can't be counted; under a budget it is not let through.
    A refusal is raised as it is, whether there are limits or not.
    """
    if isinstance(error, SpanledgerRefusal):
        raise error
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
