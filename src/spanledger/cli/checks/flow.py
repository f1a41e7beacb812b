"""Whether what agents send arrives whole and at the right time."""

import time
from pathlib import Path

from spanledger.analytics import Arrival, arrival
from spanledger.cli import _locate
from spanledger.cli._errors import CliError
from spanledger.cli._format import harmless, show_duration
from spanledger.cli.checks._result import Result, ok, warn
from spanledger.config import ConfigError
from spanledger.warehouse import WarehouseError

_SKEW_S = 2.0


def check(url: str | None, data_dir: Path | None) -> list[Result]:
    """The clocks of this host, the server and the producers, and what was dropped."""
    try:
        with _locate.open_warehouse(url, data_dir) as warehouse:
            before = time.time()
            found = arrival(warehouse)
            after = time.time()
    except (CliError, ConfigError, WarehouseError):
        return []  # the storage check says so
    return [clock(found.server_us / 1e6, before, after), future(found), dropped(found)]


def clock(server_s: float, before_s: float, after_s: float) -> Result:
    """The server's clock against ours, which it was asked by between two moments."""
    off_s = max(before_s - server_s, server_s - after_s, 0.0)
    if off_s <= _SKEW_S:
        return ok("clock", "This host and ClickHouse agree on the time.")
    side = "behind" if server_s < before_s else "ahead of"
    return warn(
        "clock",
        f"ClickHouse's clock is {show_duration(off_s)} {side} this host's: days and budgets "
        "begin at different times in reports and in the guard.",
        "Let both hosts get the time from NTP.",
    )


def future(found: Arrival) -> Result:
    """Calls that have not begun yet, by the server's clock."""
    if not found.ahead_calls:
        return ok("clocks of agents", "No call is from the future.")
    return warn(
        "clocks of agents",
        f"{found.ahead_calls:,} calls are from the future, by up to "
        f"{show_duration(found.ahead_s)} (service {harmless(found.ahead_service)!r}).",
        "Let the hosts of these agents get the time from NTP.",
    )


def dropped(found: Arrival) -> Result:
    """What exporters say that they lost."""
    if found.dropped:
        return warn(
            "dropped spans",
            f"{found.dropped:,} spans and records were dropped in 24 hours, most by service "
            f"{harmless(found.dropped_service)!r} ({harmless(found.dropped_reason)}).",
            "Limits are not concerned, but the history lacks them: docs/delivery.md says what "
            "each reason means; the runbook spans-dropped says what to do.",
        )
    return ok("dropped spans", "No exporter told of any in 24 hours.")
