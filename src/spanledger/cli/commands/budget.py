"""`spanledger budget`: what is spent, and limits that change while agents run."""

from collections.abc import Sequence

import click

from spanledger.cli import _options
from spanledger.cli import _rule_verbs as verbs
from spanledger.cli._ledger import open_ledger
from spanledger.guard.decision import METRICS
from spanledger.guard.rules import ENFORCE
from spanledger.guard.windows import WINDOWS

_TITLE = "budget"


@click.group("budget")
def command() -> None:
    """Show and change budgets, while agents run.

    A change is kept in the ledger (`guard.store`) and overrides the file; every agent that
    shares the ledger obeys it within seconds.

    Example: spanledger budget set team-day --limit 20 --metric cost --window day
    """


@command.command("list")
@verbs.value_option
@verbs.many_options
@_options.json_option
def list_(value: str | None, top: int, show_all: bool, as_json: bool) -> int:
    """Show every budget: spent, reserved, limit, and when it resets.

    Example: spanledger budget list --top 3
    """
    uses = open_ledger().admin().budgets()
    verbs.show_all_rules(_TITLE, uses, value, None if show_all else top, as_json=as_json)
    return 0


@command.command("show")
@click.argument("name")
@verbs.value_option
@verbs.many_options
@_options.json_option
def show(name: str, value: str | None, top: int, show_all: bool, as_json: bool) -> int:
    """Show one budget: its keys, where it comes from, its counters.

    Example: spanledger budget show team-day --value planner
    """
    use = open_ledger().admin().budget(name)
    verbs.show_rule(_TITLE, use, value, None if show_all else top, as_json=as_json)
    return 0


@command.command("set")
@click.argument("name")
@click.option("--limit", metavar="AMOUNT", help="US dollars, or a number of tokens or calls.")
@click.option("--metric", type=click.Choice(METRICS), help="What is counted.")
@click.option("--window", type=click.Choice(WINDOWS), help="How long it is counted.")
@click.option("--scope", metavar="SCOPE", help="Whom it counts: global, agent, session, user, …")
@click.option("--time-zone", metavar="NAME", help="Where days begin, such as Europe/Berlin.")
@click.option(
    "--threshold",
    "thresholds",
    type=float,
    multiple=True,
    metavar="PART",
    help="Part of the limit to be told at, such as 0.8; may be given again.",
)
@click.option("--enforce", type=click.Choice(ENFORCE), help="Refuse, or only tell.")
@verbs.together_option
@verbs.match_option
@click.option(
    "--trip/--no-trip",
    default=None,
    help="Once a call is refused, refuse all that follow until the window ends or a reset.",
)
@_options.json_option
def set_(
    name: str,
    limit: str | None,
    metric: str | None,
    window: str | None,
    scope: str | None,
    time_zone: str | None,
    thresholds: Sequence[float],
    enforce: str | None,
    each: bool | None,
    match: dict[str, str] | None,
    trip: bool | None,
    as_json: bool,
) -> int:
    """Change a budget, or make one. What is not given stays as it is.

    What is spent stays, too: a limit below it refuses the next call. What has tripped stays so,
    whatever the limit: reset it.

    Example: spanledger budget set team-day --limit 35.50
    """
    ledger = open_ledger()
    admin = ledger.admin()
    admin.set_budget(
        name,
        limit=limit,
        metric=metric,
        window=window,
        scope=scope,
        time_zone=time_zone,
        thresholds=thresholds or None,
        enforce=enforce,
        each=each,
        match=match,
        trip=trip,
    )
    verbs.tell_set(_TITLE, admin.budget(name), ledger, as_json=as_json)
    return 0


@command.command("reset")
@click.argument("name")
@verbs.value_option
@verbs.yes_option
@_options.json_option
def reset(name: str, value: str | None, yes: bool, as_json: bool) -> int:
    """Set what is spent back to 0, for all or for one session, agent, …

    What had tripped lets calls through again; those in flight keep what they hold.

    Example: spanledger budget reset team-day --value planner --yes
    """
    admin = open_ledger().admin()
    admin.budget(name)
    whose = "" if value is None else f" for {value!r}"
    if not verbs.sure(f"Set what budget {name!r} has spent{whose} back to 0?", yes=yes):
        return 1
    number = admin.reset_budget(name, value)
    verbs.tell_reset(_TITLE, name, value, number, as_json=as_json)
    return 0


@command.command("delete")
@click.argument("name")
@_options.json_option
def delete(name: str, as_json: bool) -> int:
    """Take out a budget that was made at run time.

    The file's budget of this name holds again, if there is one.

    Example: spanledger budget delete team-day
    """
    ledger = open_ledger()
    left = ledger.admin().delete_budget(name)
    verbs.tell_deleted(_TITLE, name, left, ledger, as_json=as_json)
    return 0
