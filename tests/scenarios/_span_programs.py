"""Programs whose processes end in many ways. Each span has a name; what is safe is printed.

The first argument says which; this module is also gunicorn's application and celery's.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from opentelemetry import trace

from spanledger.instrumentation import install, install_sigterm

made = install()
tracer = trace.get_tracer("programs")


def work(name: str) -> str:
    """One span."""
    tracer.start_span(name).end()
    return name


def until_safe() -> None:
    """Wait until all that ended in this process is on disk or delivered."""
    assert made is not None
    assert made.exporter is not None
    while (books := made.exporter.books()).spooled > books.on_disk:
        time.sleep(0.005)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI application: the query is the name of the span; ``safe/…`` waits for the disk."""
    name = work(environ["QUERY_STRING"])
    if environ["PATH_INFO"] == "/safe":
        until_safe()
    start_response("200 OK", [("content-type", "text/plain")])
    return [name.encode()]


def in_processes(method: str) -> None:
    """Each child makes a span and returns."""
    context: Any = multiprocessing.get_context(method)
    work(f"{method}-parent")
    children = [context.Process(target=work, args=(f"{method}-{n}",)) for n in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()


def in_pool(method: str) -> None:
    """The children of a pool make many."""
    work("pool-parent")
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(3, mp_context=context) as pool:
        assert len(list(pool.map(work, [f"pool-{n:02d}" for n in range(60)]))) == 60


def terminated(how: str) -> None:
    """SIGTERM comes right after a span; another is open."""
    if how == "handled":
        assert install_sigterm()
    for n in range(10):
        work(f"{how}-{n}")
    until_safe()
    with tracer.start_as_current_span(f"{how}-open"):
        work(f"{how}-last")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30.0)


def heir() -> None:
    """The next process, which has nothing much to say itself."""
    work("heir")


TASKS: dict[str, Callable[..., None]] = {
    "processes": in_processes,
    "pool": in_pool,
    "terminated": terminated,
    "heir": heir,
}

if __name__ == "__main__":
    TASKS[sys.argv[1]](*sys.argv[2:])
