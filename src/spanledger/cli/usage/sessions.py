"""`spanledger usage sessions`: the ones that used most, and what one that went well costs."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click

from spanledger.analytics import (
    SESSION_ORDERS,
    Scope,
    SessionOrder,
    SessionOutcomes,
    SessionUsage,
    session_outcomes,
    top_sessions,
)
from spanledger.cli import _asking, _options, _output
from spanledger.cli._format import counted, show_cost, show_count, show_duration, show_usd
from spanledger.cli._output import plain
from spanledger.cli._tables import table

_MICRO = Decimal(10) ** -6


@click.command("sessions")
@click.option(
    "--by",
    type=click.Choice(SESSION_ORDERS),
    default="cost",
    show_default=True,
    help="The most of this first.",
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True,
              help="So many sessions.")  # fmt: skip
@_asking.period_options()
@_asking.scope_options("agent", "user", "session")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    by: SessionOrder,
    limit: int,
    since: datetime | None,
    until: datetime | None,
    only: Sequence[Scope],
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show the sessions that used most, how sessions ended, and what a successful one costs.

    A session ended as it told (`track.session`), else as its last agent run did.

    Example: spanledger usage sessions --by failures --since 7d
    """
    with _asking.asking(url, data_dir, only) as warehouse:
        rows = top_sessions(warehouse, by=by, only=only, since=since, until=until, limit=limit)
        ends = session_outcomes(warehouse, only=only, since=since, until=until)
    if as_json:
        each = plain(ends.cost_per_successful_session_usd)
        told = {**plain(ends), "cost_per_successful_session_usd": each}
        _output.print_json({"since": since, "until": until, "outcomes": told, "sessions": rows})
    elif rows:
        headings = ["session", "agent", "user", "began", "lasted", "calls", "failed", "cost"]
        _output.console().print(table(headings, [_cells(row) for row in rows], words=4))
        click.echo(f"\n{sentence(ends)}")
    else:
        click.echo("No sessions are recorded for this choice.")
    return 0


def _cells(row: SessionUsage) -> list[str]:
    return [
        row.session_id,
        row.agent,
        row.user_id,
        f"{row.started_at:%Y-%m-%d %H:%M}",
        show_duration((row.last_call_at - row.started_at).total_seconds()),
        show_count(row.calls),
        show_count(row.failed_calls),
        show_cost(row.cost_usd, row.unpriced_calls),
    ]


def sentence(ends: SessionOutcomes) -> str:
    """How sessions ended, in words."""
    text = (
        f"{counted(ends.sessions, 'session')}: {ends.successful:,} successful, {ends.failed:,} "
        f"failed, {ends.unknown:,} without a known end"
    )
    if (each := ends.cost_per_successful_session_usd) is not None:
        text += f"; {show_usd(each.quantize(_MICRO))} for each successful one"
    if ends.failed and ends.failed_cost_usd is not None:
        text += f"; {show_usd(ends.failed_cost_usd.quantize(_MICRO))} went into those that failed"
    return text + "."
