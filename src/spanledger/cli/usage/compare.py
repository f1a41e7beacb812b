"""`spanledger usage compare`: models side by side."""

from datetime import datetime
from pathlib import Path

import click

from spanledger.analytics import ModelRow, Scope, compare_models
from spanledger.cli import _asking, _options, _output
from spanledger.cli._format import show_count
from spanledger.cli._tables import NONE, percent, table
from spanledger.cli._usage import seconds, short_usd


@click.command("compare")
@click.option("--agent", default="", metavar="NAME", help="Calls of this agent.  [default: all]")
@_asking.period_options()
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    agent: str,
    since: datetime | None,
    until: datetime | None,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Compare the models that an agent called: cost, tokens, failures and latency of a call.

    Only calls that the same agent made are alike enough to compare.

    Example: spanledger usage compare --agent planner --since 30d
    """
    try:
        only = [Scope("agent", agent)] if agent else []
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None
    with _asking.asking(url, data_dir, only) as warehouse:
        rows = compare_models(warehouse, agent, since=since, until=until)
    if as_json:
        _output.print_json({"agent": agent or None, "since": since, "until": until, "models": rows})
    elif rows:
        headings = ["model", "calls", "a call", "×", "in", "cached", "out", "failed", "p50", "p90"]
        _output.console().print(table(headings, [_cells(row) for row in rows]))
    else:
        click.echo("No calls are recorded for this choice.")
    return 0


def _cells(row: ModelRow) -> list[str]:
    return [
        row.model,
        show_count(row.calls),
        short_usd(row.cost_per_call_usd),
        NONE if row.times_cheapest is None else f"{row.times_cheapest:.1f}",
        f"{row.input_tokens_per_call:,.0f}",
        percent(row.cached_share),
        f"{row.output_tokens_per_call:,.0f}",
        percent(row.error_rate),
        seconds(row.p50_s),
        seconds(row.p90_s),
    ]
