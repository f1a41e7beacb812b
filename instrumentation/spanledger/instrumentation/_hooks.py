"""Gates are put in when a client library is imported, never before."""

import logging
import sys
from dataclasses import dataclass, field
from types import ModuleType

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
            _watch(name)


def _watch(name: str) -> None:
    module = sys.modules.get(name)
    if module is not None and _is_half_imported(module) and _base_of(name) is None:
        # Its import is under way, in a frame above or in another thread. The funnel's own
        # module needs nothing else of its package, so here, and only here, it is the one to
        # wait for.
        wrapt.register_post_import_hook(lambda _base: _put_in(name), f"{name}._base_client")
    else:
        wrapt.register_post_import_hook(lambda _module: _put_in(name), name)


def _is_half_imported(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


def _base_of(name: str) -> ModuleType | None:
    """The module of the funnel, if it is there."""
    return sys.modules.get(f"{name}._base_client")


def _put_in(name: str) -> None:
    report = reports.get(name)
    if report is None:
        return
    try:
        # The gate itself, with prices and readers, is loaded only beside a client.
        from spanledger.instrumentation._clients import CLIENTS
        from spanledger.instrumentation._stainless import gate

        report.wrapped = gate(CLIENTS[name], _base_of(name))
        report.state = "active"
    except Exception as error:  # noqa: BLE001 - never break the host's import
        report.state, report.detail = "failed", f"{type(error).__name__}: {error}"
        _log.error(
            "The gate of %s could not be put in (%s): its calls are NOT limited and only "
            "metered from spans. Supported versions are in the documentation.",
            name,
            report.detail,
        )


def unwatch() -> None:
    """Take the gates out again."""
    for name, report in reports.items():
        base = _base_of(name)
        if base is not None and report.state == "active":
            from spanledger.instrumentation._clients import CLIENTS
            from spanledger.instrumentation._stainless import ungate

            ungate(CLIENTS[name], base)
    reports.clear()
