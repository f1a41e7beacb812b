"""`spanledger usage retries`: what failed attempts cost that were made again."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from spanledger.analytics import RetryRow, Scope, retries
from spanledger.cli import _asking, _options, _output
from spanledger.cli._format import show_cost, show_count, show_duration
from spanledger.cli._tables import table


@click.command("retries")
@_asking.period_options()
@_asking.scope_options("agent", "model", "service")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    since: datetime | None,
    until: datetime | None,
    only: Sequence[Scope],
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show attempts that failed and that another one followed: their cost and their time.

    Most providers don't say what a failed attempt cost; such attempts are unpriced, not free.

    Example: spanledger usage retries --since 7d
    """
    with _asking.asking(url, data_dir, only) as warehouse:
        rows = retries(warehouse, only=only, since=since, until=until)
    if as_json:
        _output.print_json({"since": since, "until": until, "retries": rows})
    elif rows:
        headings = ["agent", "model", "error", "attempts", "time", "tokens", "cost"]
        _output.console().print(table(headings, [_cells(row) for row in rows], words=3))
    else:
        click.echo("No attempt had to be made again.")
    return 0


def _cells(row: RetryRow) -> list[str]:
    return [
        row.agent,
        row.model,
        row.error_type,
        show_count(row.attempts),
        show_duration(row.waited_s),
        show_count(row.tokens),
        show_cost(row.cost_usd, row.unpriced_attempts),
    ]
