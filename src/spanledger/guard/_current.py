"""The guard of this process: one, behind functions."""

import threading

from spanledger.guard._guard import Guard

_lock = threading.Lock()
_guard: Guard | None = None


def current() -> Guard:
    """The guard of this process. Without a policy it only meters."""
    guard = _guard
    return guard if guard is not None else _first()


def _first() -> Guard:
    global _guard
    with _lock:
        if _guard is None:
            _guard = Guard()
        return _guard


def use(guard: Guard) -> Guard:
    """Make `guard` the one of this process; returns it."""
    global _guard
    with _lock:
        _guard = guard
    return guard
