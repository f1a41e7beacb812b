"""``python -m spanledger.cli.checks._gate_probe MODULE…``: what became of the gates, as JSON."""

import contextlib
import dataclasses
import importlib
import json
import sys

from spanledger.instrumentation import _hooks, install


def main(names: list[str]) -> None:
    """Install, import the named client libraries, and print the reports of their gates."""
    install(make_provider=False)
    for name in names:
        with contextlib.suppress(Exception):  # a library that can't be imported has no gate
            importlib.import_module(name)
    reports = {name: dataclasses.asdict(report) for name, report in _hooks.reports.items()}
    sys.stdout.write(json.dumps(reports, default=str) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
