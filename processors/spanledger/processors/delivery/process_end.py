"""Ends of a process that `atexit` does not see, or that leave no time for it."""

import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

#: After the handlers that join a process's own children.
_LAST = -100
_POOLS = ("multiprocessing", "billiard")


def call_at_process_end(shutdown: Callable[[], None]) -> None:
    """Have `shutdown` called where a child of a process pool ends by `os._exit`. Never raises.

    To be called in the child. Nothing is imported that the process does not use already.
    """
    with suppress(Exception):
        _tell_pools(shutdown)


def _tell_pools(shutdown: Callable[[], None]) -> None:
    for pool in _POOLS:
        process, util = (sys.modules.get(f"{pool}.{name}") for name in ("process", "util"))
        if process is not None and util is not None and _is_child(process):
            util.Finalize(None, shutdown, exitpriority=_LAST)
    if (celery := sys.modules.get("celery.signals")) is not None:
        celery.worker_process_shutdown.connect(lambda **_: shutdown(), weak=False)


def _is_child(process: Any) -> bool:
    return type(process.current_process()).__name__ != "_MainProcess"


def install_sigterm() -> bool:
    """Have SIGTERM end the program as `sys.exit` does: what is open ends, telemetry is sent.

    By default SIGTERM kills at once; what is in the spool then is sent by the next process. Opt
    in to this where there may be no next one. The exit status is 143. False, and nothing is
    changed, if the program has a handler of its own or this is not the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False
    signal.signal(signal.SIGTERM, _exit)
    return True


def _exit(number: int, _frame: FrameType | None) -> None:
    # An exception, and not the work itself: the handler may have interrupted whoever holds the
    # locks that the work needs.
    raise SystemExit(128 + number)
