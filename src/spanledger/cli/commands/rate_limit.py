"""`spanledger rate-limit`: how fast, and how many at once."""

import click

from spanledger.cli import _options
from spanledger.cli import _rule_verbs as verbs
from spanledger.cli._ledger import open_ledger
from spanledger.guard.rules import PERS

_TITLE = "rate limit"
_METRICS = ("calls", "tokens", "concurrency")


@click.group("rate-limit")
def command() -> None:
    """Show and change rate limits, while agents run.

    A change is kept in the ledger (`guard.store`) and overrides the file; every agent that
    shares the ledger obeys it within seconds.

    Example: spanledger rate-limit set per-user --metric calls --limit 30 --per minute --scope user
    """


@command.command("list")
@verbs.value_option
@verbs.many_options
@_options.json_option
def list_(value: str | None, top: int, show_all: bool, as_json: bool) -> int:
    """Show every rate limit, and how much of it is in use.

    Example: spanledger rate-limit list
    """
    uses = open_ledger().admin().rate_limits()
    verbs.show_all_rules(_TITLE, uses, value, None if show_all else top, as_json=as_json)
    return 0


@command.command("show")
@click.argument("name")
@verbs.value_option
@verbs.many_options
@_options.json_option
def show(name: str, value: str | None, top: int, show_all: bool, as_json: bool) -> int:
    """Show one rate limit: its keys, where it comes from, its counters.

    Example: spanledger rate-limit show per-user --all
    """
    use = open_ledger().admin().rate_limit(name)
    verbs.show_rule(_TITLE, use, value, None if show_all else top, as_json=as_json)
    return 0


@command.command("set")
@click.argument("name")
@click.option("--limit", metavar="NUMBER", help="So many calls or tokens.")
@click.option("--metric", type=click.Choice(_METRICS), help="What is counted.")
@click.option("--per", type=click.Choice(PERS), help="In a time as long as this.")
@click.option("--scope", metavar="SCOPE", help="Whom it counts: global, agent, session, user, …")
@verbs.together_option
@verbs.match_option
@_options.json_option
def set_(
    name: str,
    limit: str | None,
    metric: str | None,
    per: str | None,
    scope: str | None,
    each: bool | None,
    match: dict[str, str] | None,
    as_json: bool,
) -> int:
    """Change a rate limit, or make one. What is not given stays as it is.

    Example: spanledger rate-limit set at-once --metric concurrency --limit 8
    """
    ledger = open_ledger()
    admin = ledger.admin()
    admin.set_rate_limit(
        name, limit=limit, metric=metric, per=per, scope=scope, each=each, match=match
    )
    verbs.tell_set(_TITLE, admin.rate_limit(name), ledger, as_json=as_json)
    return 0


@command.command("reset")
@click.argument("name")
@verbs.value_option
@verbs.yes_option
@_options.json_option
def reset(name: str, value: str | None, yes: bool, as_json: bool) -> int:
    """Forget what the window holds, for all or for one session, agent, …

    Calls that run go on counting: those at once are not forgotten.

    Example: spanledger rate-limit reset per-user --value ada --yes
    """
    admin = open_ledger().admin()
    admin.rate_limit(name)
    whose = "" if value is None else f" for {value!r}"
    if not verbs.sure(f"Forget what rate limit {name!r} has counted{whose}?", yes=yes):
        return 1
    number = admin.reset_rate_limit(name, value)
    verbs.tell_reset(_TITLE, name, value, number, as_json=as_json)
    return 0


@command.command("delete")
@click.argument("name")
@_options.json_option
def delete(name: str, as_json: bool) -> int:
    """Take out a rate limit that was made at run time.

    The file's rate limit of this name holds again, if there is one.

    Example: spanledger rate-limit delete at-once
    """
    ledger = open_ledger()
    left = ledger.admin().delete_rate_limit(name)
    verbs.tell_deleted(_TITLE, name, left, ledger, as_json=as_json)
    return 0
