"""What this process uses, and what it may use. Read at most once in five seconds."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from spanledger.health.usage import Usage, read_usage

_FRESH_S = 5.0
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


class Vitals(NamedTuple):
    """The use of the process at one moment. None: the system does not tell."""

    memory_bytes: int | None = None
    """Resident."""
    memory_limit_bytes: int | None = None
    """The container's, else the machine's."""
    cpu: float | None = None
    """Share of the processors that it may use, since the reading before; None at the first."""
    threads: int | None = None
    open_files: int | None = None
    open_files_limit: int | None = None

    @property
    def memory(self) -> float | None:
        """Share of the memory that it may use."""
        return _share(self.memory_bytes, self.memory_limit_bytes)

    @property
    def files(self) -> float | None:
        """Share of the open files that it may have."""
        return _share(self.open_files, self.open_files_limit)


def _share(used: int | None, limit: int | None) -> float | None:
    return used / limit if used is not None and limit else None


class Sampler:
    """Reads the process, and keeps the reading for a while: asking often costs nothing."""

    def __init__(
        self,
        read: Callable[[], Usage | None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        processors: int | None = None,
    ) -> None:
        self._read = read or read_usage
        self._clock = clock
        self._processors = processors or _processors()
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._vitals = Vitals()
        self._read_s = float("-inf")
        self._cpu_s: float | None = None

    def __call__(self) -> Vitals:
        """The last reading, if it is younger than five seconds; else a new one."""
        with self._lock:
            now_s = self._clock()
            if now_s - self._read_s >= _FRESH_S:
                self._vitals = self._look(now_s)
            return self._vitals

    def _look(self, now_s: float) -> Vitals:
        usage, before_s, self._read_s = self._read(), self._read_s, now_s
        if usage is None:
            return Vitals()
        before_cpu_s, self._cpu_s = self._cpu_s, usage.cpu_s
        cpu = None
        if before_cpu_s is not None and now_s > before_s:
            cpu = (usage.cpu_s - before_cpu_s) / (now_s - before_s) / self._processors
        return Vitals(
            usage.rss_bytes,
            _memory_limit_bytes(),
            cpu,
            usage.threads,
            usage.open_files,
            _open_files_limit(),
        )


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_limit_bytes() -> int | None:
    machine = _machine_bytes()
    limits = [found for path in _CGROUP_LIMITS if (found := _number_in(path)) is not None]
    # No limit of a cgroup is a very large number in version 1, and the word "max" in version 2.
    return min([*limits, *([] if machine is None else [machine])], default=None)


def _machine_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _open_files_limit() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


_sampler = Sampler()


def vitals() -> Vitals:
    """What this process uses now, or up to five seconds ago."""
    return _sampler()


def _after_fork_in_child() -> None:
    # Another thread of the parent may have held its lock.
    _sampler._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
