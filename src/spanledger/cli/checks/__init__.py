"""What `spanledger doctor` looks at: one concern a file; each gives a list of results."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from spanledger.cli.checks import (
    boot,
    doubles,
    environment,
    flow,
    gates,
    ledger,
    policy,
    receiver,
    spool,
    storage,
    versions,
)
from spanledger.cli.checks._result import Result, Status, fail, ok, warn

__all__ = ["Result", "Status", "fail", "ok", "run_all", "warn"]


def run_all(
    url: str | None, data_dir: Path | None, announce: Callable[[str], None]
) -> Iterator[Result]:
    """Every check in turn; `announce` is told which one comes next.

    A check that fails itself is a result too: the others still run.
    """
    environ: Mapping[str, str] = dict(os.environ)
    checks: tuple[tuple[str, Callable[[], list[Result]]], ...] = (
        ("versions", versions.check),
        ("boot", lambda: boot.check(environ)),
        ("environment", lambda: environment.check(environ)),
        ("gates", gates.check),
        ("instrumentations", lambda: doubles.check(environ)),
        ("policy", lambda: policy.check(environ)),
        ("ledger", lambda: ledger.check(environ)),
        ("collector", lambda: receiver.check(environ)),
        ("spool", lambda: spool.check(environ)),
        ("storage", lambda: storage.check(url, data_dir)),
        ("flow", lambda: flow.check(url, data_dir)),
    )
    for name, check in checks:
        announce(f"checking {name}")
        try:
            yield from check()
        except Exception as error:  # noqa: BLE001 - one broken check must not hide the others
            yield fail(
                name,
                f"The check itself failed ({type(error).__name__}: {error}).",
                "Please report this with the output of `spanledger doctor --json`.",
            )
