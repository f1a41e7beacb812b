"""Gates are put in when a client library is imported, never before."""

import logging
import sys
from dataclasses import dataclass, field
from typing import Any

import wrapt

from spanledger.instrumentation import _stainless, anthropic, openai

_log = logging.getLogger("spanledger.boot")

CLIENTS = (
    _stainless.Client(
        "openai",
        openai.dialect_of,
        openai.provider_of,
        openai.with_usage,
        openai.with_output_limit,
    ),
    _stainless.Client("anthropic", anthropic.dialect_of, anthropic.provider_of),
)


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
    for client in CLIENTS:
        if client.name in reports:
            continue
        reports[client.name] = GateReport(client.name)
        # Top-level packages only: a hook on a submodule runs while its package is half
        # imported, and an error in it would break the host's import or leave it unguarded.
        wrapt.register_post_import_hook(_hook(client), client.name)


def _hook(client: _stainless.Client) -> Any:
    def imported(module: Any) -> None:
        report = reports.get(client.name)
        if report is None:
            return
        try:
            report.wrapped = _stainless.gate(client, module)
            report.state = "active"
        except Exception as error:  # noqa: BLE001 - never break the host's import
            report.state, report.detail = "failed", f"{type(error).__name__}: {error}"
            _log.error(
                "The gate of %s could not be put in (%s): its calls are NOT limited and only "
                "metered from spans. Supported versions are in the documentation.",
                client.name,
                report.detail,
            )

    return imported


def unwatch() -> None:
    """Take the gates out again."""
    for client in CLIENTS:
        module = sys.modules.get(client.name)
        if module is not None and client.name in reports:
            _stainless.ungate(module)
    reports.clear()
