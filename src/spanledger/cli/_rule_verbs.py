"""What the verbs of budgets and of rate limits have in common."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from spanledger.cli import _output
from spanledger.cli._errors import CliError
from spanledger.cli._ledger import Ledger
from spanledger.cli._limits import Use, facts, limit_of, table
from spanledger.guard import Budget, RateLimit

F = TypeVar("F", bound=Callable[..., Any])
_TOP = 5


def value_option(function: F) -> F:
    """``--value``: one session, agent, … of those that a rule counts."""
    return click.option("--value", metavar="NAME", help="Only this session, agent, user, …")(
        function
    )


def many_options(function: F) -> F:
    """``--top`` and ``--all``: how many counters of each rule."""
    return top_option(
        click.option("--all", "show_all", is_flag=True, help="All counters.")(function)
    )


def top_option(function: F) -> F:
    """``--top``: so many counters."""
    return click.option(
        "--top",
        type=click.IntRange(min=1),
        default=_TOP,
        show_default=True,
        help="So many counters of each rule, those first that are used most.",
    )(function)


def yes_option(function: F) -> F:
    """``--yes``: do it without asking."""
    return click.option("--yes", is_flag=True, help="Don't ask.")(function)


def match_option(function: F) -> F:
    """``--match``: patterns by scope."""
    return click.option(
        "--match",
        multiple=True,
        metavar="SCOPE=PATTERN",
        callback=_pairs,
        help="Count only calls that fit, such as model=gpt-*; may be given again.",
    )(function)


def together_option(function: F) -> F:
    """``--each/--together``: one counter for each value, or one for all."""
    return click.option(
        "--each/--together",
        default=None,
        help="One counter for each value of the scope, or one for all.",
    )(function)


def pairs(text: Sequence[str], option: str) -> dict[str, str]:
    """``NAME=VALUE`` … as a table. Raises `click.BadParameter`."""
    found = [part.partition("=") for part in text]
    if not all(name and sign and value for name, sign, value in found):
        raise click.BadParameter(f"{option} is written NAME=VALUE.")
    return {name: value for name, _sign, value in found}


def _pairs(
    _context: click.Context, _parameter: click.Parameter, text: Sequence[str]
) -> dict[str, str] | None:
    return pairs(text, "--match") or None


def show_all_rules(
    title: str, uses: Sequence[Use], value: str | None, top: int | None, *, as_json: bool
) -> None:
    """Print every rule of a kind."""
    if as_json:
        key = title.replace(" ", "_") + "s"
        _output.print_json({key: [facts(use, value, top) for use in uses]})
    elif uses:
        _output.console().print(table(title, uses, value, top))
    else:
        click.echo(f"There is no {title}. Make one with `spanledger {_command(title)} set`.")


def show_rule(title: str, use: Use, value: str | None, top: int | None, *, as_json: bool) -> None:
    """Print one rule, with all of its keys."""
    if value is not None and not any(counter.value == value for counter in use.counters):
        raise CliError(f"{title} {use.rule.name!r} has no counter for {value!r} at this time")
    if as_json:
        _output.print_json(facts(use, value, top))
        return
    written = "  ".join(f"{key} = {_shown(found)}" for key, found in use.definition.items())
    screen = _output.console()
    screen.print(written, soft_wrap=True)
    screen.print(table(title, [use], value, top))


def _shown(found: object) -> str:
    if isinstance(found, Mapping):
        return "{" + ", ".join(f'{key} = "{each}"' for key, each in found.items()) + "}"
    if isinstance(found, bool):
        return str(found).lower()
    return f'"{found}"' if isinstance(found, str) else str(found)


def tell_set(title: str, use: Use, ledger: Ledger, *, as_json: bool) -> None:
    """Print what holds now."""
    if as_json:
        _output.print_json(facts(use))
        return
    click.echo(
        f"{title} {use.rule.name!r}: {limit_of(use.rule)}, {_counts(use.rule)}. {_when(ledger)}"
    )


def _counts(rule: Budget | RateLimit) -> str:
    if rule.scope == "global":
        return "for all calls"
    return f"for each {rule.scope}" if rule.each else f"for every {rule.scope} together"


def _when(ledger: Ledger) -> str:
    every_s = ledger.settings.guard.reload_s
    if not every_s:
        return "Agents obey from their next start (guard.reload_s is 0)."
    return f"Agents that share the ledger obey within {every_s:g} s."


def tell_deleted(
    title: str, name: str, left: Budget | RateLimit | None, ledger: Ledger, *, as_json: bool
) -> None:
    """Print what is gone, and what holds instead."""
    if as_json:
        holds = None if left is None else limit_of(left)
        _output.print_json({"name": name, "deleted": True, "holds_again": holds})
    elif left is None:
        click.echo(f"{title} {name!r} is deleted. {_when(ledger)}")
    else:
        again = f"the one that was overridden holds again: {limit_of(left)}"
        click.echo(f"{title} {name!r} is deleted; {again}. {_when(ledger)}")


def tell_reset(title: str, name: str, value: str | None, number: int, *, as_json: bool) -> None:
    """Print how many counters begin anew."""
    if as_json:
        _output.print_json({"name": name, "value": value, "counters_reset": number})
    else:
        counters = "1 counter" if number == 1 else f"{number:,} counters"
        click.echo(f"{counters} of {title} {name!r} begin at 0 again; calls in flight still count.")


def sure(question: str, *, yes: bool) -> bool:
    """Whether it is to be done. Raises `CliError` where nobody can be asked."""
    if yes:
        return True
    if not sys.stdin.isatty():
        raise CliError(f"{question.rstrip('?')}? Nobody can be asked here: say --yes")
    if click.confirm(question, err=True):
        return True
    click.echo("Nothing was changed.", err=True)
    return False


def _command(title: str) -> str:
    return title.replace(" ", "-")
