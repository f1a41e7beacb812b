"""The health of a process: timed operations, a score with advice, bounded work, a cache dropped.

    python examples/health.py

Runs offline. Two kinds of jobs run on three threads; one kind fails half of the time. The report
says so and lowers the score; the watch then does what it was told to do.
"""

import logging
import threading
import time

from spanledger.health import (
    Action,
    Watch,
    WorkerPool,
    operation_timer,
    report,
    trim_memory,
)
from spanledger.testing.spans import capture_spans
from spanledger.track import agent

CACHE: dict[int, str] = {}
JOBS = 12


@operation_timer("look up", slow_s=0.5)
def look_up(number: int) -> str:
    time.sleep(0.01)
    return CACHE.setdefault(number, f"answer {number}")


@operation_timer("send")
def send(number: int) -> None:
    if number % 2:
        raise ConnectionError("nobody listens")


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="log: %(message)s")
    acted = threading.Event()

    def forget() -> str:
        entries = len(CACHE)
        CACHE.clear()
        acted.set()
        return f"{entries} answers forgotten"

    with capture_spans(as_global=True) as capture:
        with agent("clerk"), WorkerPool(limit=3) as pool:
            answers = pool.gather([lambda n=n: look_up(n) for n in range(JOBS)])  # type: ignore[misc]  # n is bound
            sent = [pool.submit(lambda n=n: send(n), priority=1) for n in range(JOBS)]  # type: ignore[misc]  # n is bound
            pool.wait()
        print(
            f"{len(answers)} answers, {sum(job.exception() is not None for job in sent)} not sent"
        )
        print(report())
        failing = Action("forget", "failures", forget)
        for _ in range(JOBS):
            with operation_timer("send"):
                pass
        for _ in range(4 * JOBS):
            try:
                send(1)
            except ConnectionError:
                continue
        with Watch(failing, trim_memory(), every_s=0.05):
            acted.wait(5.0)
        print(f"{len(CACHE)} answers are left in the cache")
        print(capture.tree())


if __name__ == "__main__":
    main()
