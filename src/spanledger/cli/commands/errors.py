"""`spanledger errors`: what failed, and one failure with what was recorded around it."""

from datetime import datetime
from pathlib import Path

import click

from spanledger.analytics import (
    ErrorRow,
    Scope,
    ScopeKind,
    error_context,
    find_errors,
    recent_errors,
)
from spanledger.cli import _asking, _error, _options, _output, _tables
from spanledger.cli._errors import CliError
from spanledger.warehouse import Warehouse


@click.command("errors")
@click.argument("error_id", metavar="[ID]", required=False)
@click.option("--last", is_flag=True, help="The newest failure.")
@_asking.since_option("7d")
@click.option("--agent", metavar="NAME", default="", help="Only of this agent.")
@click.option("--session", metavar="ID", default="", help="Only of this session.")
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=20, show_default=True,
              help="So many failures.")  # fmt: skip
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    error_id: str | None,
    last: bool,
    since: datetime | None,
    agent: str,
    session: str,
    count: int,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show the newest failures, or one of them: causes, source lines, variables, what led there.

    ID is an error's (a log line or `track.error` tells it) or a span's, or the beginning of one.

    Example: spanledger errors --last
    """
    if error_id is not None and (last or agent or session):
        raise click.UsageError("Give an id, or say which failures to look through.")
    with _asking.asking(url, data_dir) as warehouse:
        if error_id is not None:
            return _tell(warehouse, _resolve(warehouse, error_id), as_json=as_json)
        found = recent_errors(
            warehouse, since=since, agent=agent, session=session, limit=1 if last else count
        )
        named: list[tuple[ScopeKind, str]] = [("agent", agent), ("session", session)]
        _asking.require_any(warehouse, found, [Scope(by, name) for by, name in named if name])
        if last and found:
            return _tell(warehouse, found[0], as_json=as_json)
    if as_json:
        _output.print_json({"since": since, "errors": found})
    elif found:
        rows = [_error.cells(row) for row in found]
        _output.console().print(_tables.table(_error.HEADINGS, rows, words=len(_error.HEADINGS)))
        click.echo("\n`spanledger errors ID` shows one with all that was recorded around it.")
    else:
        click.echo("No failure is recorded for this choice.")
    return 0


def _tell(warehouse: Warehouse, error: ErrorRow, *, as_json: bool) -> int:
    found = error_context(warehouse, error)
    if as_json:
        _output.print_json(found)
    else:
        _output.console().print(_error.told(found))
    return 0


def _resolve(warehouse: Warehouse, prefix: str) -> ErrorRow:
    found = find_errors(warehouse, prefix) if prefix.strip() else []
    if not found:
        raise CliError(f"no error has the id {prefix[:64]!r}; `spanledger errors` lists the newest")
    if len(found) > 1:
        ids = ", ".join(_error.own_id(each) for each in found)
        raise CliError(f"several errors begin with {prefix!r}: {ids}; give more of it")
    return found[0]
