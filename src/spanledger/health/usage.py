"""What the system says of this process at one moment: memory, CPU, threads, files."""

import os
from typing import Any, NamedTuple


class Usage(NamedTuple):
    """The use of resources at one moment. None: the system does not tell."""

    rss_bytes: int
    cpu_s: float
    threads: int
    open_files: int | None


_process: tuple[int, Any] | None = None


def read_usage() -> Usage | None:
    """The present use, about 50 µs; None if it can't be had."""
    try:
        process = _current_process()
        with process.oneshot():
            cpu = process.cpu_times()
            files = process.num_fds() if hasattr(process, "num_fds") else None
            rss_bytes = process.memory_info().rss
            return Usage(rss_bytes, cpu.user + cpu.system, process.num_threads(), files)
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
