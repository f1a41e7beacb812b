"""The retry budget of each name, shared by all threads of the process."""

import os
import threading
from collections import OrderedDict

from spanledger.recovery.backoff import Bucket

_MOST_NAMES = 1024

_lock = threading.Lock()
_budgets: "OrderedDict[str, RetryBudget]" = OrderedDict()


class RetryBudget:
    """A `Bucket` behind a lock. Give the same one to several `retry` to have them share it."""

    def __init__(self, share: float = 0.2, burst: int = 10) -> None:
        self._bucket = Bucket(share, burst)
        self._lock = threading.Lock()

    def called(self) -> None:
        """A call began."""
        with self._lock:
            self._bucket.called()

    def take(self) -> bool:
        """Pay for one retry; False if there is nothing left."""
        with self._lock:
            return self._bucket.take()


def budget_of(name: str) -> RetryBudget:
    """The budget of a name, with the usual numbers: at most 20 % of the calls, and ten more."""
    with _lock:
        budget = _budgets.get(name)
        if budget is None:
            budget = _budgets[name] = RetryBudget()
            if len(_budgets) > _MOST_NAMES:
                _budgets.popitem(last=False)
        else:
            _budgets.move_to_end(name)
        return budget


def _after_fork_in_child() -> None:
    # Another thread of the parent may have held one of the locks.
    global _lock
    _lock = threading.Lock()
    _budgets.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
