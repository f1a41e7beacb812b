"""Forks and the end of the process, for every store that lives."""

import atexit
import os
import sys
import weakref
from typing import Protocol

#: How long what is under way at the end may take before it is journalled, in seconds.
_EXIT_S = 2.0


class Inhabitant(Protocol):
    """Something that holds locks, files and unfinished work."""

    def before_fork(self) -> None: ...
    def after_fork_in_parent(self) -> None: ...
    def after_fork_in_child(self) -> None: ...
    def drain(self, timeout_s: float) -> None: ...


def look_after(one: Inhabitant) -> None:
    """Call its methods from now on, for as long as anybody else keeps it."""
    _all.add(one)


def at_process_end() -> None:
    """Drain also at the end of a `multiprocessing` child, which runs no `atexit`.

    To be called in that child: what its parent registered is dropped there.
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _drain_all, exitpriority=0)


_all = weakref.WeakSet[Inhabitant]()
#: Those that a fork has locked, in order.
_forking: list[Inhabitant] = []


def _drain_all() -> None:
    for one in list(_all):
        one.drain(_EXIT_S)


def _before_fork() -> None:
    for one in list(_all):
        one.before_fork()
        _forking.append(one)


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop().after_fork_in_parent()


def _after_fork_in_child() -> None:
    while _forking:
        _forking.pop().after_fork_in_child()


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
atexit.register(_drain_all)
