"""Gates are put in when a client library is imported, never before."""

import logging
import sys
from dataclasses import dataclass, field
from typing import Any

import wrapt

_log = logging.getLogger("spanledger.boot")

#: Top-level packages only: a hook on a submodule runs while its package is half imported, and
#: an error in it would break the host's import or leave it unguarded.
GATED = ("openai", "anthropic")


@dataclass(slots=True)
class GateReport:
    """What became of the gate of one client library."""

    client: str
    state: str = "waiting"
    """``waiting`` for its import, ``active``, or ``failed``."""
    detail: str = ""
    wrapped: list[str] = field(default_factory=list)


reports: dict[str, GateReport] = {}


def watch_imports() -> None:
    """Gate each known client: now if it is imported already, else as soon as it is."""
    for name in GATED:
        if name not in reports:
            reports[name] = GateReport(name)
            wrapt.register_post_import_hook(_imported, name)


def _imported(module: Any) -> None:
    report = reports.get(module.__name__)
    if report is None:
        return
    try:
        # The gate itself, with prices and readers, is loaded only beside a client.
        from spanledger.instrumentation._clients import CLIENTS
        from spanledger.instrumentation._stainless import gate

        report.wrapped = gate(CLIENTS[report.client], module)
        report.state = "active"
    except Exception as error:  # noqa: BLE001 - never break the host's import
        report.state, report.detail = "failed", f"{type(error).__name__}: {error}"
        _log.error(
            "The gate of %s could not be put in (%s): its calls are NOT limited and only "
            "metered from spans. Supported versions are in the documentation.",
            report.client,
            report.detail,
        )


def unwatch() -> None:
    """Take the gates out again."""
    for name, report in reports.items():
        module = sys.modules.get(name)
        if module is not None and report.state == "active":
            from spanledger.instrumentation._stainless import ungate

            ungate(module)
    reports.clear()
