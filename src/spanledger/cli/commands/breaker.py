"""`spanledger breaker`: hold calls back by hand, or let them all through."""

import dataclasses

import click
from rich.table import Table

from spanledger.cli import _options, _output
from spanledger.cli._format import harmless
from spanledger.cli._ledger import open_ledger
from spanledger.guard import BreakerBoard

_EACH = (
    "Each agent's process has its own breakers; what opens by itself is in its log and in "
    "guard_events."
)
_DONE = {
    "open": "{name} is forced open: every call to it is held back until it is released.",
    "closed": "{name} is forced closed: every call passes, whatever fails, until it is released.",
    None: "{name} is released: its breakers begin closed and follow their rules.",
}


@click.group("breaker")
def command() -> None:
    """Show breakers, and force them open or closed in every agent.

    NAME is that of a breaker rule, or a target: PROVIDER/MODEL or tool:NAME.

    Example: spanledger breaker open openai/gpt-4o
    """


@command.command("list")
@_options.json_option
def list_(as_json: bool) -> int:
    """Show breaker rules, and which breakers are forced.

    What opened by itself is not shown: each agent's process has its own breakers.

    Example: spanledger breaker list
    """
    board = open_ledger().admin().breakers()
    if as_json:
        rules = [dataclasses.asdict(rule) for rule in board.rules]
        _output.print_json({"rules": rules, "forced": dict(board.forced)})
    else:
        _show(board)
    return 0


def _show(board: BreakerBoard) -> None:
    if not board.rules:
        click.echo("There is no breaker rule. Write a [[breakers]] table into the policy file.")
    else:
        _output.console().print(_rules(board))
    for name, state in sorted(board.forced.items()):
        click.echo(f"forced {state}: {harmless(name)}")
    click.echo(_EACH)


def _rules(board: BreakerBoard) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("rule", "opens at", "of at least", "within", "stays open", "at the most"):
        table.add_column(title)
    for rule in board.rules:
        table.add_row(
            harmless(rule.name),
            f"{rule.failure_rate:.0%} failed or {rule.slow_rate:.0%} slow",
            f"{rule.min_calls} calls",
            f"{rule.window_s} s",
            f"{rule.open_s:g} s",
            f"{rule.max_open_s:g} s",
        )
    return table


@command.command("open")
@click.argument("name")
@_options.json_option
def open_(name: str, as_json: bool) -> int:
    """Hold back every call of a rule's breakers, or to one target.

    Example: spanledger breaker open openai/gpt-4o
    """
    open_ledger().admin().open_breaker(name)
    return _tell(name, "open", as_json=as_json)


@command.command("close")
@click.argument("name")
@_options.json_option
def close(name: str, as_json: bool) -> int:
    """Let every call through, whatever fails.

    Example: spanledger breaker close tool:search
    """
    open_ledger().admin().close_breaker(name)
    return _tell(name, "closed", as_json=as_json)


@command.command("release")
@click.argument("name")
@_options.json_option
def release(name: str, as_json: bool) -> int:
    """Hand a forced breaker back to its rule; it begins closed.

    Example: spanledger breaker release openai/gpt-4o
    """
    open_ledger().admin().release_breaker(name)
    return _tell(name, None, as_json=as_json)


def _tell(name: str, state: str | None, *, as_json: bool) -> int:
    if as_json:
        _output.print_json({"name": name, "forced": state})
    else:
        click.echo(_DONE[state].format(name=harmless(name)))
    return 0
