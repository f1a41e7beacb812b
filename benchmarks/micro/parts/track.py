"""Tracking tokens, and the machinery of tools."""

import tracemalloc
from contextlib import ExitStack

from benchmarks.micro.case import Case, cpu

from spanledger.track.tokens import Tracker
from spanledger.track.tools import Registry

TOOLS = 20
DETAILED = 20_000
WORDS = "the agent reads a page about tokens and writes what it found there " * 8
HUNDRED = " ".join(WORDS.split()[:100])
ARGUMENTS = '{"word": "ledger", "limit": 2}'
#: What may be added to one call of an agent, all in all.
AGENT_CALL_US = 500


def cases(_stack: ExitStack) -> list[Case]:
    return [*_tracking(), *_tools()]


def _tracking() -> list[Case]:
    plain, detailed, full = Tracker(), Tracker(), filled()
    detailed.configure(mode="detailed", capacity=1000)

    def context() -> None:
        with plain.track_context("context"):
            pass

    def required(name: str, run: object, target_us: float) -> Case:
        assert callable(run)
        return cpu(name, run, target_us, required=True)

    return [
        required("track_operation", lambda: plain.track_operation("read", 120, 30), 5),
        required("track_operation, detailed", lambda: detailed.track_operation("read", 120, 30), 5),
        required("track_text, 100 words", lambda: plain.track_text(HUNDRED), 100),
        required("track_context, around nothing", context, 3),
        required("tool_stats", lambda: full.tool_stats("tool-7"), 2),
        required(f"report, {TOOLS} tools", full.report, 50),
        required(f"export_json, {TOOLS} tools, 3 sessions", full.export_json, 500),
        Case("memory of a detailed operation", bytes_for_one, 200, "bytes", True, "size", 3),
    ]


def _tools() -> list[Case]:
    desk = Registry()
    desk.tool(name="plain")(look_up)
    desk.tool(name="kept", cache_s=3600)(look_up)
    kept = desk.get("kept").function
    return [
        cpu("a tool", lambda: desk.get("plain").function("word"), AGENT_CALL_US),
        cpu("a tool, its result kept", lambda: kept("word"), AGENT_CALL_US),
        cpu("Registry.call", lambda: desk.call("plain", ARGUMENTS), AGENT_CALL_US),
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
