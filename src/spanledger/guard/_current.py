"""The guard of this process: one, behind functions."""

import os
import threading

from spanledger.guard._guard import Guard
from spanledger.guard.policy import Policy

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
        before, _guard = _guard, guard
    if before is not None and before.follower not in (None, guard.follower):
        before.follower.stop()
    return guard


def replace(old: Guard, new: Guard) -> bool:
    """`use(new)` if `old` is still the guard of this process; else nothing, and False."""
    global _guard
    with _lock:
        if _guard is not old:
            return False
        _guard = new
    return True


def ready() -> Guard:
    """The guard of this process, which knows all rules. Before the first call they are read."""
    guard = current()
    follower = guard.follower
    if follower is None or follower.ready:
        return guard
    follower.ensure()
    return current()


def ready_now() -> Guard | None:
    """The guard of this process if it knows all rules by now. So it does after the first call."""
    guard = current()
    follower = guard.follower
    return guard if follower is None or follower.ready else None


async def ready_async() -> Guard:
    """`ready` without blocking the event loop."""
    guard = current()
    follower = guard.follower
    if follower is None or follower.ready:
        return guard
    await follower.ensure_async()
    return current()


def ready_soon() -> Guard:
    """The guard of this process, at once; it knows all rules a moment after the first question."""
    guard = current()
    follower = guard.follower
    if follower is not None and not follower.ready:
        follower.begin()
    return guard


def reload() -> Policy:
    """Read the rules anew, of the file and of the store; the policy that holds from now on.

    A process does that by itself every `guard.reload_s` seconds. Raises `ConfigError` for a file
    or a rule that can't be used and `StoreUnavailable` for a ledger that can't be read; then
    those rules hold that held before. Rules that code alone gave are as they are.
    """
    follower = current().follower
    if follower is not None:
        follower.reload()
    return current().policy


def _after_fork_in_child() -> None:
    # A thread of the parent may have been replacing the guard.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
