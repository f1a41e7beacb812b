"""`spanledger usage reset`: delete history for good."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from spanledger.analytics import ResetCounts, Scope, reset_preview, reset_scope
from spanledger.cli import _asking, _options, _output
from spanledger.cli._errors import CliError
from spanledger.cli._format import counted


@click.command("reset")
@click.option("--everything", is_flag=True, help="All of the history.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@_asking.scope_options("service", "agent", "session", "user")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    everything: bool,
    yes: bool,
    only: Sequence[Scope],
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Delete the history of a service, an agent, a session or a user, or all of it, for good.

    What budgets have counted stays: see `spanledger budget reset`. Roll-ups follow within minutes.

    Example: spanledger usage reset --session test-42
    """
    scopes = [Scope(), *only] if everything else list(only)
    if len(scopes) != 1:
        raise click.UsageError(
            "say what to delete: --everything, or one --service, --agent, --session or --user."
        )
    (scope,) = scopes
    with _asking.asking(url, data_dir) as warehouse:
        found = reset_preview(warehouse, scope)
        if not _nothing(found) or everything:
            if not yes:
                _ask(scope, found)
            reset_scope(warehouse, scope)
    if as_json:
        _output.print_json({"scope": scope, "deleted": found})
    else:
        click.echo(f"Deleted of {scope}: {_words(found)}.")
    return 0


def _nothing(found: ResetCounts) -> bool:
    return not (found.calls or found.tool_calls or found.agent_runs or found.decisions)


def _words(found: ResetCounts) -> str:
    return (
        f"{counted(found.calls, 'call')}, {counted(found.tool_calls, 'tool call')}, "
        f"{counted(found.agent_runs, 'agent run')}, {counted(found.decisions, 'decision')}"
    )


def _ask(scope: Scope, found: ResetCounts) -> None:
    """Raises `CliError`: nobody can be asked, or the answer is no."""
    if not sys.stdin.isatty():
        raise CliError(f"this deletes {_words(found)} for good; give --yes to do it")
    if not click.confirm(f"Delete {_words(found)} of {scope} for good?", err=True):
        raise CliError("nothing was deleted")
