"""Measure every candidate, write the results and the page.

    python -m benchmarks.peers                       all of it: 15 to 40 minutes
    python -m benchmarks.peers --only official,spanledger --rounds 5 --no-page
    python -m benchmarks.peers --transport http      a server on loopback, no mock transport
    python -m benchmarks.peers --page-only           the page again, from the last results

Method: one persistent worker process for each candidate, all on one core, driven in turn inside
every round (A B C … A B C …), so that a machine whose speed drifts slows all alike. A call goes
through the real client; its cost is the CPU time of the calling thread, the median over a round's
calls. What a candidate adds is that minus the bare client's median of the same round. Tables show
medians and quartiles over rounds. Trust the ratios, not the microseconds.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.peers import carries, page, processes, rounds
from benchmarks.peers.candidates import BY_NAME, CANDIDATES, REFERENCES, Candidate
from benchmarks.peers.server import serving
from benchmarks.peers.venvs import ROOT, version_of

RESULTS = ROOT / "benchmarks" / "results" / "peers.json"


def chosen(names: str | None) -> list[Candidate]:
    """The candidates of those names and whatever they are compared with."""
    if not names:
        return list(CANDIDATES)
    wanted = {name.strip() for name in names.split(",")}
    if unknown := wanted - set(BY_NAME):
        raise SystemExit(
            f"No such candidate: {', '.join(unknown)}. There are: {', '.join(BY_NAME)}"
        )
    wanted |= {BY_NAME[name].bare for name in wanted}
    return [candidate for candidate in CANDIDATES if candidate.name in wanted]


def progress(total: int) -> Callable[[], None]:
    """A counter on stderr."""
    done, began = 0, time.monotonic()

    def told() -> None:
        nonlocal done
        done += 1
        left_s = (time.monotonic() - began) / done * (total - done)
        end = "\n" if done == total else ""
        print(
            f"\r{done}/{total}, {left_s / 60:.0f} min left ", end=end, file=sys.stderr, flush=True
        )

    return told


def starts(candidates: Sequence[Candidate], count: int) -> list[dict[str, Any]]:
    """What each adds to the start of a process and its first call: medians of fresh processes."""
    found: dict[str, list[tuple[float, float]]] = {c.name: [] for c in candidates}
    for _ in range(count):
        for candidate in candidates:
            found[candidate.name].append(processes.start_of(candidate))
    rows = []
    for candidate in candidates:
        values = found[candidate.name]
        if candidate.bare != candidate.name:
            bare = found[candidate.bare]
            values = [(c - b[0], r - b[1]) for (c, r), b in zip(values, bare, strict=True)]
        cpu_ms, rss_mib = (statistics.median(part) for part in zip(*values, strict=True))
        rows.append({"candidate": candidate.name, "cpu_ms": cpu_ms, "rss_mib": rss_mib})
    return rows


def machine() -> str:
    """What it ran on, in a line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = f"{len(names)} × {names[0].split(':', 1)[1].strip()}" if names else model
    return f"{model}, {platform.system()}, Python {platform.python_version()}"


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Everything, as one JSON-able result."""
    candidates = chosen(arguments.only)
    versions = {candidate.name: version_of(candidate) for candidate in candidates}
    spans = [
        vars(carries.read(c.name, processes.spans_of(c)))
        for c in candidates
        if c.name not in REFERENCES
    ]
    started = starts(candidates, arguments.starts)
    parts_us = {c.name: processes.parts_of(c) for c in candidates if c.name.startswith(page.OURS)}
    parts = sum(rounds.takes_part(c, s) for c in candidates for s in rounds.SCENARIOS)
    told = progress(parts * (arguments.rounds + 1))
    server: AbstractContextManager[str | None] = (
        serving() if arguments.transport == "http" else nullcontext(None)
    )
    with server as base_url:
        measured = rounds.measure(candidates, arguments.rounds, arguments.calls, base_url, told)
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "transport": arguments.transport,
        "rounds": arguments.rounds,
        "calls": arguments.calls,
        "versions": versions,
        "calls_us": [row.as_dict() for row in rounds.summary(measured)],
        "parts_us": parts_us,
        "starts": started,
        "spans": spans,
    }


def parse() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=300, help="calls a round")
    parser.add_argument("--starts", type=int, default=7, help="fresh processes for each candidate")
    parser.add_argument("--transport", choices=("mock", "http"), default="mock")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--no-page", action="store_true", help="write neither results nor page")
    parser.add_argument("--page-only", action="store_true", help="measure nothing")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    if arguments.page_only:
        page.write(json.loads(RESULTS.read_text()))
        return
    result = run(arguments)
    if not arguments.no_page:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=1) + "\n")
        page.write(result)
    print(json.dumps(result, indent=1) if arguments.json else page.as_text(result))


if __name__ == "__main__":
    main()
