"""What the process uses at this moment: memory, CPU, files, threads; how late its event loop is."""

import asyncio
import os
from itertools import islice
from typing import Any, NamedTuple

_TIMERS = 64


class Reading(NamedTuple):
    """The use of resources at one moment. None: the system does not tell."""

    rss_bytes: int
    cpu_s: float
    threads: int
    open_files: int | None


_process: tuple[int, Any] | None = None


def read() -> Reading | None:
    """The present use, about 50 µs; None if it can't be had."""
    try:
        process = _current_process()
        with process.oneshot():
            cpu = process.cpu_times()
            files = process.num_fds() if hasattr(process, "num_fds") else None
            return Reading(
                process.memory_info().rss, cpu.user + cpu.system, process.num_threads(), files
            )
    except Exception:  # noqa: BLE001 - psutil's own errors, a /proc that is not there
        return None


def _current_process() -> Any:
    """psutil's view of this process; a forked child has one of its own."""
    global _process
    pid = os.getpid()
    if _process is None or _process[0] != pid:
        import psutil

        _process = (pid, psutil.Process(pid))
    return _process[1]


def resources(now: Reading | None, before: Reading | None) -> dict[str, Any]:
    """A reading as plain values, with what has changed since the one before."""
    found: dict[str, Any] = {}
    if now is not None:
        found = {name: _rounded(v) for name, v in now._asdict().items() if v is not None}
        if before is not None:
            found["since_session_began"] = _change(now, before)
    return found | _event_loop()


def _change(now: Reading, before: Reading) -> dict[str, Any]:
    pairs = zip(now._fields, now, before, strict=True)
    return {n: _rounded(a - b) for n, a, b in pairs if a is not None and b is not None}


def _rounded(value: float) -> float:
    return round(value, 4) if isinstance(value, float) else value


def _event_loop() -> dict[str, Any]:
    """How long the oldest timer of the running loop is overdue, and how many callbacks wait.

    Read from the loop, never measured by timers of ours: those would be the host's to trip over.
    Loops that are not asyncio's own (uvloop) don't tell.
    """
    try:
        loop: Any = asyncio.get_running_loop()
        # A heap: the one that is due first stands first, or, if cancelled ones are left, nearby.
        timers = islice(loop._scheduled, _TIMERS)
        due = min((t._when for t in timers if not t._cancelled), default=None)
        lag_s = 0.0 if due is None else max(0.0, loop.time() - due)
        return {"event_loop": {"lag_s": round(lag_s, 4), "waiting": len(loop._ready)}}
    except (RuntimeError, AttributeError):
        return {}
