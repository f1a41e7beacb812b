"""CPU of tracking tokens, and of the tools' machinery.

    python benchmarks/micro_track.py

Prints microseconds for each operation (best of several rounds, all operations interleaved) beside
its target, and the bytes that one operation keeps in the detailed mode. Exits with 1 if a target
is missed.
"""

import gc
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

from spanledger.track.tokens import Tracker
from spanledger.track.tools import Registry

ROUNDS = 15
REPEATS = 1000
TOOLS = 20
DETAILED = 50_000
MOST_BYTES = 200
WORDS = "the agent reads a page about tokens and writes what it found there " * 8
#: What may be added to one call of an agent, all in all.
AGENT_CALL_US = 500.0
ARGUMENTS = '{"word": "ledger", "limit": 2}'
HUNDRED = " ".join(WORDS.split()[:100])


@dataclass(frozen=True)
class Operation:
    name: str
    run: Callable[[], object]
    target_us: float


def operations() -> list[Operation]:
    plain, detailed, full = Tracker(), Tracker(), filled()
    detailed.configure(mode="detailed", capacity=1000)
    plain.track_text(HUNDRED)

    def context() -> None:
        with plain.track_context("context"):
            pass

    desk = Registry()
    desk.tool(name="plain")(look_up)
    desk.tool(name="kept", cache_s=3600)(look_up)
    kept = desk.get("kept").function
    return [
        Operation("track_operation", lambda: plain.track_operation("read", 120, 30), 5.0),
        Operation(
            "track_operation, detailed mode", lambda: detailed.track_operation("read", 120, 30), 5.0
        ),
        Operation("track_text, 100 words", lambda: plain.track_text(HUNDRED), 100.0),
        Operation("track_context, around nothing", context, 3.0),
        Operation("tool_stats", lambda: full.tool_stats("tool-7"), 2.0),
        Operation(f"report, {TOOLS} tools", full.report, 50.0),
        Operation(f"export_json, {TOOLS} tools, 3 sessions", full.export_json, 500.0),
        Operation("a tool", lambda: desk.get("plain").function("word"), AGENT_CALL_US),
        Operation("a tool, its result kept", lambda: kept("word"), AGENT_CALL_US),
        Operation("Registry.call", lambda: desk.call("plain", ARGUMENTS), AGENT_CALL_US),
    ]


def look_up(word: str, limit: int = 3) -> str:
    """Stands for a tool."""
    return word * limit


def filled() -> Tracker:
    """Three sessions that use twenty tools for two operations each."""
    tracker = Tracker()
    for session in ("a", "b", "c"):
        for number in range(TOOLS):
            for operation in ("read", "write"):
                tracker.track_operation(
                    operation, 100 + number, 10, tool=f"tool-{number}", session=session
                )
    return tracker


def bytes_for_one() -> float:
    """What the ring holds for one operation when it is full."""
    tracker = Tracker()
    tracker.configure(mode="detailed", capacity=DETAILED)
    tracker.track_operation("read", 1, 1, session="s", tool="t")
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(DETAILED):
        tracker.track_operation("read", 100_000 + number, number, session="s", tool="t")
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (after - before) / DETAILED


def one_round(run: Callable[[], object]) -> float:
    start = time.process_time()
    for _ in range(REPEATS):
        run()
    return (time.process_time() - start) / REPEATS * 1e6


def main() -> int:
    todo = operations()
    best = {operation.name: float("inf") for operation in todo}
    gc.disable()
    for _ in range(ROUNDS):
        for operation in todo:
            best[operation.name] = min(best[operation.name], one_round(operation.run))
    rows = [(o.name, best[o.name], o.target_us, "us") for o in todo]
    rows.append(("memory of a detailed operation", bytes_for_one(), MOST_BYTES, "bytes"))
    for name, measured, target, unit in rows:
        verdict = "ok" if measured <= target else "MISSED"
        print(f"{name:40} {measured:8.2f} {unit:5}   target {target:6.1f} {unit:5}   {verdict}")
    return int(any(measured > target for _name, measured, target, _unit in rows))


if __name__ == "__main__":
    raise SystemExit(main())
