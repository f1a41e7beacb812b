"""`spanledger usage refused`: what the guard refused, and what that saved."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click

from spanledger.analytics import RefusedRow, Scope, refused_work
from spanledger.cli import _asking, _options, _output
from spanledger.cli._format import counted, show_about, show_count
from spanledger.cli._tables import NONE, table
from spanledger.cli._usage import short_usd


@click.command("refused")
@_asking.period_options()
@_asking.scope_options("agent", "model", "service", "session", "user")
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
    """Show what the guard refused, by rule and reason, and about what that saved.

    The saving takes each refusal for an average call of the same agent to the same model. An
    agent that asks again is refused again: it is more than the agent would have spent.

    Example: spanledger usage refused --agent planner --since 7d
    """
    # Not checked for being recorded: whoever was always refused has no call.
    with _asking.asking(url, data_dir) as warehouse:
        rows = refused_work(warehouse, only=only, since=since, until=until)
        _asking.require_any(warehouse, rows, only)
    if as_json:
        _output.print_json({"since": since, "until": until, "refused": rows})
    elif rows:
        headings = ["agent", "model", "rule", "reason", "refused", "sessions", "at most", "saved"]
        _output.console().print(table(headings, [_cells(row) for row in rows], words=4))
        click.echo(f"\n{sentence(rows)}")
    else:
        click.echo("The guard refused nothing.")
    return 0


def sentence(rows: Sequence[RefusedRow]) -> str:
    """All refusals together, in words."""
    known = [row.saved_usd for row in rows if row.saved_usd is not None]
    calls = counted(sum(row.refused for row in rows), "call")
    if rows and not known:
        return f"{calls} refused; none of the kind went through to tell what they would have cost."
    saved = show_about(sum(known, Decimal(0)))
    return f"{calls} refused; at average prices they would have cost {saved}."


def _cells(row: RefusedRow) -> list[str]:
    return [
        row.agent,
        row.model,
        row.rule,
        row.reason,
        show_count(row.refused),
        show_count(row.sessions),
        NONE if row.most_usd is None else short_usd(row.most_usd),
        NONE if row.saved_usd is None else short_usd(row.saved_usd),
    ]
