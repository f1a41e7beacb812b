"""Gates are put in when a client library is imported, never before."""

import importlib
import logging
import sys
from dataclasses import field
from types import ModuleType
from typing import Any

import wrapt

from spanledger.instrumentation._clients import CLIENTS, Watched
from spanledger.lean import dataclass
from spanledger.processors import gates

_log = logging.getLogger("spanledger.boot")


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
        if client.name not in reports:
            reports[client.name] = GateReport(client.name)
            _watch(client)


def _watch(client: Watched) -> None:
    # The package and not the module of the funnel, where the two differ: a hook on a submodule
    # runs while its package is half imported, and sees less of what there is to wrap.
    module = sys.modules.get(client.package)
    if module is not None and _is_half_imported(module) and client.funnel not in sys.modules:
        # Its import is under way, in a frame above or in another thread. The funnel's own
        # module needs nothing else of its package, so here, and only here, it is the one to
        # wait for.
        wrapt.register_post_import_hook(lambda _funnel: _put_in(client), client.funnel)
    else:
        wrapt.register_post_import_hook(lambda _module: _put_in(client), client.package)


def _is_half_imported(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


def _put_in(client: Watched) -> None:
    report = reports.get(client.name)
    if report is None:
        return
    try:
        report.wrapped = _gate_of(client).gate(client, sys.modules.get(client.funnel))
        report.state = "active"
        gates.opened(client.name)
    except Exception as error:  # noqa: BLE001 - never break the host's import
        report.state, report.detail = "failed", f"{type(error).__name__}: {error}"
        _log.error(
            "The gate of %s could not be put in (%s): its calls are NOT limited and only "
            "metered from spans. Supported versions are in the documentation.",
            client.name,
            report.detail,
        )


def _gate_of(client: Watched) -> Any:
    """The gate itself, with prices and readers, is loaded only beside a client."""
    return importlib.import_module(client.gate)


def unwatch() -> None:
    """Take the gates out again."""
    for client in CLIENTS:
        report, funnel = reports.get(client.name), sys.modules.get(client.funnel)
        if report is not None and report.state == "active" and funnel is not None:
            _gate_of(client).ungate(client, funnel)
        gates.closed(client.name)
    reports.clear()
