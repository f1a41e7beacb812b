"""`spanledger usage timeseries`: use over time, as bars."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click

from spanledger.analytics import (
    SCOPE_KINDS,
    USAGE_WINDOWS,
    Scope,
    UsageDimension,
    UsageRow,
    UsageWindow,
    usage_stats,
)
from spanledger.cli import _asking, _options, _output
from spanledger.cli._format import show_cost, show_count
from spanledger.cli._usage import chart, facts

_METRICS: Mapping[str, tuple[Callable[[UsageRow], float], Callable[[UsageRow], str]]] = {
    "cost": (
        lambda row: float(row.cost_usd or 0),
        lambda row: show_cost(row.cost_usd, row.unpriced_calls),
    ),
    "tokens": (lambda row: float(row.tokens), lambda row: show_count(row.tokens)),
    "calls": (lambda row: float(row.calls), lambda row: show_count(row.calls)),
    "failures": (lambda row: float(row.failed_calls), lambda row: show_count(row.failed_calls)),
}


@click.command("timeseries")
@click.option(
    "--metric",
    type=click.Choice(list(_METRICS)),
    default="cost",
    show_default=True,
    help="What the bars show.",
)
@click.option(
    "--window",
    type=click.Choice(USAGE_WINDOWS[1:]),
    default="day",
    show_default=True,
    help="Length of a step.",
)
@click.option(
    "--by", type=click.Choice(SCOPE_KINDS), default="all", show_default=True, help="A series each."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="So many series, the dearest.",
)
@_asking.period_options("30d")
@_asking.scope_options(
    "agent", "model", "provider", "service", "operation", "session", "user", "tool"
)
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    metric: str,
    window: UsageWindow,
    by: UsageDimension,
    limit: int,
    since: datetime | None,
    until: datetime | None,
    only: Sequence[Scope],
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show use hour by hour, day by day, week by week or month by month.

    Steps without a call are left out. Weeks begin on Monday.

    Example: spanledger usage timeseries --metric tokens --window hour --since 24h
    """
    with _asking.asking(url, data_dir, only) as warehouse:
        rows = usage_stats(
            warehouse, by, window=window, only=only, since=since, until=until, limit=limit
        )
    if as_json:
        answer = {"by": by, "window": window, "since": since, "until": until}
        _output.print_json({**answer, "only": only, "rows": [facts(row) for row in rows]})
    elif rows:
        amount, show = _METRICS[metric]
        _output.console().print(chart(window, rows, amount, show, metric))
    else:
        click.echo("No calls are recorded for this choice.")
    return 0
