"""Run the benchmarks of pipeline and tables one after the other, and write what they say as a page.

    python -m benchmarks.pipeline_page                     all of it, about an hour
    python -m benchmarks.pipeline_page --only stack        one; the others' part of the page stays

Writes benchmarks/results/pipeline.json and docs/benchmarks-pipeline.md. Needs the Collector
(`make collector`) and nothing else on the machine that takes the CPU.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any

from benchmarks.peers.__main__ import machine
from benchmarks.peers.venvs import ROOT

RESULTS = ROOT / "benchmarks" / "results" / "pipeline.json"
PAGE = ROOT / "docs" / "benchmarks-pipeline.md"
_HEAD = """# Benchmarks of pipeline and tables

What the Collector, ClickHouse and the local stack carry, and what questions cost as the data grows.
What a call costs its caller is in [benchmarks](benchmarks.md). This page is the output of:

```bash
make bench-pipeline
```

Sender, Collector and ClickHouse share the machine. Trust ratios more than figures.
"""


@dataclass(frozen=True)
class Part:
    """One program and what it is asked."""

    name: str
    title: str
    targets: str
    command: tuple[str, ...]


PARTS = (
    Part(
        "pipeline",
        "Through the Collector into ClickHouse",
        "At least 15,000 spans a second on two cores, with all views; a row can be queried two "
        "seconds after its answer; nothing lost in an outage.",
        ("benchmarks/pipeline.py",),
    ),
    Part(
        "stack",
        "Into the local stack",
        "At least 10,000 spans a second on two cores; a row can be queried two seconds after its "
        "answer.",
        ("benchmarks/stack.py",),
    ),
    Part(
        "warehouse",
        "Bytes and questions as the data grows",
        "Typed tables at most 0.35 of the stock tables' bytes; cost by model over 30 days at most "
        "1/100 of the stock question's time at 5 million spans; a panel at 20 million at most 1.5 "
        "times as long as at 1 million.",
        ("benchmarks/warehouse.py",),
    ),
    Part(
        "dashboards",
        "Every panel of the dashboards",
        "At most 100 ms a panel and 50 ms a waterfall over 5 million spans.",
        ("benchmarks/dashboards.py",),
    ),
    Part(
        "analytics",
        "Questions about the history",
        "At most 300 ms over 5 million spans.",
        ("benchmarks/analytics.py",),
    ),
)


def run(part: Part) -> dict[str, Any]:
    """What a program prints, shown as it comes, and whether it met its own targets."""
    lines: list[str] = []
    module = part.command[0].removesuffix(".py").replace("/", ".")
    with subprocess.Popen(
        [sys.executable, "-m", module, *part.command[1:]],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    return {
        "date": date.today().isoformat(),
        "machine": machine(),
        "output": lines,
        "status": process.returncode,
    }


def page(results: dict[str, Any]) -> str:
    """The page of all parts that have been run."""
    sections = [_section(part, results[part.name]) for part in PARTS if part.name in results]
    return "\n".join([_HEAD, *sections])


def _section(part: Part, result: dict[str, Any]) -> str:
    output = "\n".join(result["output"])
    return (
        f"## {part.title}\n\nTarget: {part.targets}\n\n"
        f"{result['date']}, {result['machine']}; `{' '.join(part.command)}`:\n\n"
        f"```text\n{output}\n```\n"
    )


def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pipeline_page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [part.name for part in PARTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for number, part in enumerate(chosen := [p for p in PARTS if p.name in arguments.only], 1):
        print(f"== {number}/{len(chosen)} {part.title}", flush=True)
        results[part.name] = run(part)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        PAGE.write_text(page(results))
    raise SystemExit(any(results[part.name]["status"] for part in chosen))


if __name__ == "__main__":
    main()
