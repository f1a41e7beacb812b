"""Which client libraries would be gated, tried in a process of their own."""

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from spanledger.cli.checks._result import Result, fail, ok, warn

_TIMEOUT_S = 60


def check() -> list[Result]:
    """Import each installed client library under the gate and see whether it is in place."""
    from spanledger.instrumentation._clients import CLIENTS

    installed = [client for client in CLIENTS if _is_installed(client.package)]
    if not installed:
        names = ", ".join(client.name for client in CLIENTS)
        return [
            warn(
                "gates",
                f"None of the client libraries with a gate is installed ({names}).",
                "Install the one that your agent uses; without a gate limits are not held.",
            )
        ]
    reports = _probe({client.name: client.package for client in installed})
    return [_result(client.name, reports.get(client.name)) for client in installed]


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # nor is what it lies in
        return False


def _probe(packages: dict[str, str]) -> dict[str, dict[str, Any]]:
    """In a subprocess: importing a client library costs a second and can't be undone."""
    environ = {**os.environ, "OTEL_SDK_DISABLED": "true", "SPANLEDGER_EXPORT": "off"}
    done = subprocess.run(
        [sys.executable, "-m", "spanledger.cli.checks._gate_probe", *packages.values()],
        env=environ,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    try:
        found: dict[str, dict[str, Any]] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return {name: {"state": "failed", "detail": last, "wrapped": []} for name in packages}
    return found


def _result(name: str, report: dict[str, Any] | None) -> Result:
    try:
        found = f"{name} {version(name)}"
    except PackageNotFoundError:
        found = name
    if report is not None and report["state"] == "active":
        return ok(f"gate {name}", f"{found}: {len(report['wrapped'])} places are gated.")
    state = "was not put in" if report is None else f"is {report['state']}"
    detail = f" ({report['detail']})" if report and report["detail"] else ""
    return fail(
        f"gate {name}",
        f"{found}: the gate {state}{detail}, so its calls are NOT limited.",
        "Install a supported version of it (see the documentation), or unset SPANLEDGER_ENABLED.",
    )
