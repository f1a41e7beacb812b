"""Versions of Python, OpenTelemetry and Spanledger."""

import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, version

from spanledger.cli.checks._result import Result, fail, ok

_FLOORS = {
    "opentelemetry-api": (1, 39),
    "opentelemetry-sdk": (1, 39),
    "opentelemetry-instrumentation": (0, 60),
}


def check() -> list[Result]:
    """Whether this Python and its OpenTelemetry are among the supported ones."""
    return [_python(), *(_package(name, floor) for name, floor in _FLOORS.items())]


def _python() -> Result:
    return ok(
        "python",
        f"Python {platform.python_version()} ({sys.executable}), "
        f"spanledger {version('spanledger')}.",
    )


def _package(name: str, floor: tuple[int, int]) -> Result:
    wanted = ".".join(map(str, floor))
    try:
        found = version(name)
    except PackageNotFoundError:
        return fail(name, "It is not installed.", f"Run `pip install '{name}>={wanted}'`.")
    if release(found) < floor:
        return fail(
            name,
            f"Version {found} is older than {wanted}.",
            f"Run `pip install --upgrade '{name}>={wanted}'`.",
        )
    return ok(name, f"Version {found}.")


def release(text: str) -> tuple[int, ...]:
    """The first two numbers of a version: ``(0, 66)`` for ``0.66b1``. Pure."""
    return tuple(map(int, re.findall(r"\d+", text)[:2]))
