"""Measure the small parts, each figure beside its target.

    python -m benchmarks.micro                         all of it: about two minutes
    python -m benchmarks.micro --only guard,stores --rounds 5
    python -m benchmarks.micro --json results.json --page
    python -m benchmarks.micro --list                  the parts

A star marks a target that is the part's own, not the product's.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.micro import page, worker
from benchmarks.micro.plan import PARTS, Part, chosen
from benchmarks.micro.rounds import Result
from benchmarks.peers.__main__ import machine

_VERSIONS = ("spanledger", "opentelemetry-sdk", "openai", "tiktoken", "redis", "mcp")


def measured(parts: Sequence[Part], rounds: int) -> Iterator[Result]:
    """Part after part, with a word on stderr."""
    for part in parts:
        print(f"measuring {part.title} …", file=sys.stderr, flush=True)
        yield from worker.measured(part, rounds)


def about(rounds: int) -> dict[str, Any]:
    """When, where, of what."""
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "load": os.getloadavg()[2],
        "rounds": rounds,
        "versions": {name: version(name) for name in _VERSIONS},
    }


def parse() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.micro",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="NAME", help="parts, separated by commas")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results there")
    parser.add_argument("--page", action="store_true", help=f"write {page.PAGE.name} as well")
    parser.add_argument("--list", action="store_true", help="name the parts, and measure nothing")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    if arguments.list:
        print("\n".join(f"{part.name:12} {part.title}" for part in PARTS))
        return 0
    results = list(measured(chosen(arguments.only), arguments.rounds))
    facts = about(arguments.rounds)
    if arguments.json:
        whole = {**facts, "results": [vars(result) for result in results]}
        arguments.json.write_text(json.dumps(whole, indent=1) + "\n")
    if arguments.page:
        page.PAGE.write_text(page.made(facts, results))
    print(page.as_text(results))
    return int(arguments.check and not all(result.met for result in results))


if __name__ == "__main__":
    raise SystemExit(main())
