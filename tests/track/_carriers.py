"""Programs about context in other processes: ``_carriers.py who``, ``_carriers.py METHOD``."""

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from opentelemetry import trace

from spanledger import track

Who = tuple[str | None, tuple[str, ...], int]


def who(*_: object) -> Who:
    """Session, agents and trace as they hold where this runs."""
    scope = track.current_scope()
    return scope.session, scope.agents, trace.get_current_span().get_span_context().trace_id


def put_who(queue: Any) -> None:
    queue.put(who())


def in_children(method: str) -> dict[str, bool]:
    """Whether the work in children of one start method is their parent's."""
    kind: Any = multiprocessing.get_context(method)
    with track.session("s"), track.agent("planner"):
        here = who()
        answers = kind.Queue()
        process = kind.Process(target=put_who, args=(answers,))
        process.start()
        found = {"process": answers.get(timeout=60) == here}
        process.join()
        with ProcessPoolExecutor(1, mp_context=kind) as pool:
            found["submit"] = pool.submit(who).result(60) == here
            found["executor map"] = list(pool.map(who, [1], timeout=60)) == [here]
        with kind.Pool(1) as workers:
            found["map"] = workers.map_async(who, [1]).get(60) == [here]
            found["apply"] = workers.apply_async(who).get(60) == here
            found["imap"] = workers.imap(who, [1]).next(60) == here
    return found


def main(what: str) -> None:
    from spanledger.instrumentation import install

    install(overrides={"export.mode": "off", "guard.store": "memory"})
    print(json.dumps(who() if what == "who" else in_children(what)))


if __name__ == "__main__":
    main(sys.argv[1])
