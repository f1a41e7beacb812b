"""`spanledger usage stats`: who used how much."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from spanledger.analytics import (
    SCOPE_KINDS,
    USAGE_WINDOWS,
    Scope,
    UsageDimension,
    UsageWindow,
    usage_stats,
)
from spanledger.cli import _asking, _options, _output
from spanledger.cli._usage import facts, usage_table


@click.command("stats")
@click.option(
    "--by", type=click.Choice(SCOPE_KINDS), default="agent", show_default=True, help="A row each."
)
@click.option(
    "--window",
    type=click.Choice(USAGE_WINDOWS),
    default="total",
    show_default=True,
    help="A row for each step of time.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="So many names, the dearest.",
)
@_asking.period_options()
@_asking.scope_options(
    "agent", "model", "provider", "service", "operation", "session", "user", "tool"
)
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    by: UsageDimension,
    window: UsageWindow,
    limit: int,
    since: datetime | None,
    until: datetime | None,
    only: Sequence[Scope],
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show calls, success, tokens, cost and latency by one dimension.

    Latencies are those that 50, 90 and 99 % of the calls stay below, within 4.5 %.

    Example: spanledger usage stats --by model --agent planner --since 30d
    """
    with _asking.asking(url, data_dir, only) as warehouse:
        rows = usage_stats(
            warehouse, by, window=window, only=only, since=since, until=until, limit=limit
        )
    if as_json:
        answer = {"by": by, "window": window, "since": since, "until": until}
        _output.print_json({**answer, "only": only, "rows": [facts(row) for row in rows]})
    elif rows:
        _output.console().print(usage_table(by, window, rows))
    else:
        click.echo("No calls are recorded for this choice.")
    return 0
