"""`spanledger anomalies`: what stands out, and why."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from spanledger.analytics import ANOMALY_KINDS, AnomalyKind, Scope, anomalies
from spanledger.cli import _asking, _options, _output
from spanledger.cli._format import harmless


@click.command("anomalies")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(ANOMALY_KINDS),
    multiple=True,
    help="Only these; may be given again.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True,
              help="So many, the newest.")  # fmt: skip
@_asking.since_option("14d")
@_asking.scope_options("agent", "session")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    kinds: tuple[AnomalyKind, ...],
    limit: int,
    since: datetime | None,
    only: Sequence[Scope],
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show what was dearer, slower or failed more than usual in the last two weeks, and why.

    Each hour of an agent, each session and each turn is held against what is usual for its agent.

    Example: spanledger anomalies --kind cost_per_session --since 24h
    """
    if len(only) > 1:
        raise click.UsageError("name one --agent or one --session.")
    scope = only[0] if only else Scope()
    with _asking.asking(url, data_dir, only) as warehouse:
        found = anomalies(warehouse, kinds=kinds, scope=scope, since=since, limit=limit)
    if as_json:
        _output.print_json({"since": since, "anomalies": found})
    elif found:
        for row in found:
            click.echo(f"{row.at:%Y-%m-%d %H:%M}  {row.kind:<16}  {harmless(row.reason)}")
    else:
        click.echo("Nothing stands out.")
    return 0
