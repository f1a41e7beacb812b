"""What a store does when its process forks or ends."""

import atexit
import os
import sys
from typing import Protocol
from weakref import WeakSet

_EXIT_S = 2.0


class Lives(Protocol):
    """A store that is told."""

    def flush(self, timeout_s: float) -> bool: ...

    def after_fork(self) -> None: ...


_stores = WeakSet[Lives]()


class _Watched:
    pid = 0


def watch(store: Lives) -> None:
    """Have `store` told of forks, in the child, and of the end, as long as somebody uses it."""
    _stores.add(store)


def watch_exit() -> None:
    """Have the end of this very process watched: `multiprocessing` runs no `atexit`."""
    if _Watched.pid == os.getpid():
        return
    _Watched.pid = os.getpid()
    if (util := sys.modules.get("multiprocessing.util")) is not None:
        util.Finalize(None, _at_exit, exitpriority=10)


def _at_exit() -> None:
    for store in list(_stores):
        store.flush(_EXIT_S)


def _after_fork_in_child() -> None:
    """A forked child is another process: connections, locks and calls are its parent's."""
    for store in list(_stores):
        store.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
