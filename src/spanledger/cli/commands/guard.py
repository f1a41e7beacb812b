"""`spanledger guard`: what the guard would say, and what it holds."""

from collections.abc import Sequence

import click

from spanledger import pricing
from spanledger.cli import _explanation, _options, _output
from spanledger.cli import _rule_verbs as verbs
from spanledger.cli._errors import CliError
from spanledger.cli._ledger import open_ledger
from spanledger.cli._watch import Watch

_SHORTEST_S = 0.1


@click.group("guard")
def command() -> None:
    """Ask the guard why, watch what it holds, and mend its ledger.

    Example: spanledger guard explain --model gpt-4o --agent planner
    """


@command.command("explain")
@click.option("--model", default="", help="The model that would be called.")
@click.option("--provider", default="", help="As in gen_ai.provider.name; default: by the model.")
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="NAME",
    help="The agent that calls; the outermost one first, if given again.",
)
@click.option("--session", metavar="ID", help="Its session.")
@click.option("--user", metavar="NAME", help="Its user.")
@click.option("--tool", metavar="NAME", help="The tool; without --model, a call of the tool.")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="NAME=VALUE",
    help="What else rules ask for; may be given again.",
)
@click.option(
    "--input-tokens",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The most that it sends.",
)
@click.option(
    "--max-output-tokens",
    type=click.IntRange(min=0),
    help="The most that it may answer.  [default: the model's limit]",
)
@_options.json_option
def explain(
    model: str,
    provider: str,
    agents: Sequence[str],
    session: str | None,
    user: str | None,
    tool: str | None,
    attributes: Sequence[str],
    input_tokens: int,
    max_output_tokens: int | None,
    as_json: bool,
) -> int:
    """Show whether a call would be refused now, and what each rule says to it.

    Nothing is reserved or counted. Exit code 1 if it would be refused.

    Example: spanledger guard explain --model gpt-4o --user ada --input-tokens 2000
    """
    ledger = open_ledger()
    pricing.configure(ledger.settings.pricing.overrides)
    found = ledger.admin().explain(
        model=model,
        provider=provider,
        agents=agents,
        session=session,
        user=user,
        tool=tool,
        attributes=verbs.pairs(attributes, "--attribute"),
        input_tokens=input_tokens,
        max_output_tokens=max_output_tokens,
    )
    if as_json:
        _output.print_json(_explanation.facts(found))
    else:
        _output.console().print(_explanation.drawn(found))
    return 0 if found.allowed else 1


@command.command("watch")
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(min=_SHORTEST_S),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Pause between two looks.",
)
@click.option("--once", is_flag=True, help="Look once, and end.")
@verbs.top_option
@_options.json_option
def watch(interval_s: float, once: bool, top: int, as_json: bool) -> int:
    """Show budgets and rate limits as they are used, until Ctrl-C.

    With --json one line for each look.

    Example: spanledger guard watch --top 3
    """
    watching = Watch(open_ledger(), top)
    if once:
        watching.once(as_json=as_json)
        return 0
    try:
        watching.run(interval_s, as_json=as_json)
    except KeyboardInterrupt:
        return 0
    return 0


@command.command("accept-loss")
@verbs.yes_option
@_options.json_option
def accept_loss(yes: bool, as_json: bool) -> int:
    """Go on with a Redis that lost the ledger's data.

    A server that comes back empty is refused, for nobody knows what was spent. This accepts
    what it holds now, for all agents that knew the lost data.

    Example: spanledger guard accept-loss --yes
    """
    from spanledger.guard.stores.redis import RedisStore

    store = open_ledger().store
    if not isinstance(store, RedisStore):
        raise CliError(
            "only a ledger in Redis can come back without its data; this one is a SQLite file"
        )
    if not verbs.sure("Count from what the server holds now, and forget what it lost?", yes=yes):
        return 1
    store.accept_loss()
    if as_json:
        _output.print_json({"accepted": True})
    else:
        click.echo("The loss is accepted: the ledger counts from what the server holds now.")
    return 0
