"""One part in a process of its own, so that no part finds what another has set up.

python -m benchmarks.micro.worker NAME ROUNDS   prints the results as a line of JSON
"""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from benchmarks.micro import rounds
from benchmarks.micro.plan import Part

ROOT = Path(__file__).parents[2]
#: Nothing of the machine's own settings may change what is measured.
_FORGET = ("OTEL_", "SPANLEDGER_")


def measured(part: Part, count: int) -> list[rounds.Result]:
    """The results of a part, out of a fresh process.

    Raises:
        subprocess.CalledProcessError: the part failed; what it said is on stderr.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_FORGET)}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.micro.worker", part.name, str(count)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**kept, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
    )
    return rounds.from_json(json.loads(run.stdout.splitlines()[-1]))


def main() -> None:
    name, count = sys.argv[1], int(sys.argv[2])
    module = import_module(f"benchmarks.micro.parts.{name}")
    with ExitStack() as stack:
        results = rounds.measure(name, module.cases(stack), count)
    print(json.dumps([vars(result) for result in results]))


if __name__ == "__main__":
    main()
