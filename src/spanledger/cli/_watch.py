"""Limits, looked at again and again."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from spanledger.cli import _output
from spanledger.cli._format import harmless
from spanledger.cli._ledger import Ledger
from spanledger.cli._limits import facts, table
from spanledger.config import ConfigError
from spanledger.guard import AdminError, StoreUnavailable

T = TypeVar("T")

#: What may be over in a moment: a file that is being edited, a server that starts again.
_PASSING = (AdminError, ConfigError, StoreUnavailable)


class Watch:
    """The limits of a ledger at each tick; the `top` counters of each rule."""

    def __init__(self, ledger: Ledger, top: int) -> None:
        self._ledger = ledger
        self._top = top

    def once(self, *, as_json: bool) -> None:
        """Print them once."""
        if as_json:
            _line(self._facts())
        else:
            _output.console().print(self._drawn())
            sys.stdout.flush()

    def run(self, interval_s: float, *, as_json: bool) -> None:
        """Print them until Ctrl-C: in place on a terminal, else one after the other."""
        screen = _output.console()
        if as_json:
            _repeat(self._facts, _line, _failed_line, interval_s)
        elif screen.is_terminal:
            with Live("", console=screen, auto_refresh=False) as live:
                update = _Updating(live)
                _repeat(self._drawn, update, update.failed, interval_s)
        else:
            _repeat(self._drawn, _printed, _printed_error, interval_s)

    def _facts(self) -> dict[str, Any]:
        admin = self._ledger.admin()
        return {
            "at": datetime.now(UTC),
            "budgets": [facts(use, top=self._top) for use in admin.budgets()],
            "rate_limits": [facts(use, top=self._top) for use in admin.rate_limits()],
            "forced_breakers": dict(admin.breakers().forced),
        }

    def _drawn(self) -> RenderableType:
        admin = self._ledger.admin()
        budgets, rates = admin.budgets(), admin.rate_limits()
        forced = admin.breakers().forced
        parts: list[RenderableType] = [Text(f"{datetime.now().astimezone():%H:%M:%S}", "dim")]
        if budgets:
            parts.append(table("budget", budgets, top=self._top))
        if rates:
            parts.append(table("rate limit", rates, top=self._top))
        if not budgets and not rates:
            parts.append(Text("There is no budget and no rate limit."))
        parts += [Text(f"forced {state}: {harmless(name)}") for name, state in forced.items()]
        return Group(*parts)


def _repeat(
    look: Callable[[], T],
    show: Callable[[T], None],
    failed: Callable[[Exception], None],
    interval_s: float,
) -> None:
    """For ever. What is wrong at the first look is wrong with the command; later it may pass."""
    show(look())
    while True:
        time.sleep(interval_s)
        try:
            show(look())
        except _PASSING as error:
            failed(error)


class _Updating:
    """The picture on a terminal; a failure stands below the last one that was good."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._good: RenderableType = ""

    def __call__(self, drawn: RenderableType) -> None:
        self._good = drawn
        self._live.update(drawn, refresh=True)

    def failed(self, error: Exception) -> None:
        self._live.update(Group(self._good, Text(str(error), style="red")), refresh=True)


def _printed(drawn: RenderableType) -> None:
    _output.console().print(drawn)
    sys.stdout.flush()


def _printed_error(error: Exception) -> None:
    sys.stderr.write(f"Error: {error}\n")


def _line(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(_output.plain(found), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _failed_line(error: Exception) -> None:
    _line({"at": datetime.now(UTC), "error": str(error)})
