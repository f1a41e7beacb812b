"""`spanledger history`: what agents did, and why."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from spanledger.cli import _asking, _history, _options, _output
from spanledger.cli._errors import CliError
from spanledger.history import FORMS, KINDS, LANGUAGES, Form, History, Kind, export

#: Without a zone it is UTC.
_EVER = datetime(1970, 1, 1)
F = TypeVar("F", bound=Callable[..., Any])


@click.group("history")
def command() -> None:
    """Show what agents did and why: command, action, result, status.

    Commands, arguments and results are shown where programs send them (content = "actions").

    Example: spanledger history last --session ticket-4711
    """


def _where(function: F) -> F:
    return _options.url_option(_options.data_dir_option(_options.json_option(function)))


def _whose(function: F) -> F:
    session = click.option("--session", metavar="ID", default="", help="Only this session.")
    return session(
        click.option("--agent", metavar="NAME", default="", help="Only this agent.")(function)
    )


def _language(function: F) -> F:
    return click.option(
        "--language",
        type=click.Choice(sorted(LANGUAGES)),
        default="en",
        show_default=True,
        help="Of the sentences.",
    )(function)


def _count(function: F) -> F:
    return click.option(
        "-n", "count", type=click.IntRange(1, 10_000), default=10, show_default=True,
        help="So many actions.",
    )(function)  # fmt: skip


def _require_any(history: History, session: str, agent: str) -> None:
    """Raises `CliError` if nothing at all is recorded of whom the question is about."""
    if (session or agent) and not history.actions(1, session=session, agent=agent):
        whose = [f"{kind} {name[:64]!r}" for kind, name in
                 (("session", session), ("agent", agent)) if name]  # fmt: skip
        raise CliError(f"no action is recorded of {' and '.join(whose)}")


@command.command("last")
@_count
@click.option("--kind", type=click.Choice(KINDS), help="Only actions of this kind.")
@_whose
@_where
def last(
    count: int,
    kind: Kind | None,
    session: str,
    agent: str,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show the newest actions, the newest first.

    Example: spanledger history last -n 20 --kind tool
    """
    with _asking.asking(url, data_dir) as warehouse:
        found = History(warehouse).actions(count, kind=kind, session=session, agent=agent)
    if as_json:
        _output.print_json([_history.facts(each) for each in found])
    elif found:
        _output.console().print(_history.table(found))
    else:
        raise CliError("no such action is recorded")
    return 0


@command.command("explain")
@click.argument("action_id", metavar="[ID]", required=False)
@click.option("--last", "newest", is_flag=True, help="The newest tool or model call.")
@_language
@_where
def explain(
    action_id: str | None,
    newest: bool,
    language: str,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Say why an action was done: the command it served, what failed before, what it needed.

    ID is that of a span, the beginning of one, or a call's.

    Example: spanledger history explain --last
    """
    if newest == bool(action_id):
        raise click.UsageError("Give an id, or --last for the newest.")
    with _asking.asking(url, data_dir) as warehouse:
        history = History(warehouse, language=language)
        found = history.explain(action_id) if action_id else history.explain_last_action(session="")
    if as_json:
        _output.print_json(_history.explained(found))
    else:
        _output.console().print(_history.sentences(found.sentences))
    return 0


@command.command("summary")
@_count
@_whose
@_language
@_where
def summary(
    count: int,
    session: str,
    agent: str,
    language: str,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Say what the last actions come to, in a few sentences.

    Example: spanledger history summary -n 50 --agent planner
    """
    with _asking.asking(url, data_dir) as warehouse:
        history = History(warehouse, language=language)
        _require_any(history, session, agent)
        found = history.summarize(count, session=session, agent=agent)
    if as_json:
        facts = [_history.facts(each) for each in found.actions]
        _output.print_json({"sentences": found.sentences, "actions": facts})
    else:
        _output.console().print(_history.sentences(found.sentences))
    return 0


@command.command("stats")
@_asking.since_option("30d")
@_whose
@_where
def stats(
    since: datetime | None,
    session: str,
    agent: str,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show how often, how well, how long and at what cost actions went.

    Example: spanledger history stats --agent planner
    """
    with _asking.asking(url, data_dir) as warehouse:
        history = History(warehouse)
        _require_any(history, session, agent)
        found = history.statistics(since=since or _EVER, session=session, agent=agent)
    if as_json:
        _output.print_json(found)
    else:
        _output.console().print(_history.statistics_table(found))
    return 0


@command.command("unusual")
@click.option(
    "-n", "count", type=click.IntRange(1, 10_000), default=1_000, show_default=True,
    help="Among so many of the last actions.",
)  # fmt: skip
@_whose
@_language
@_where
def unusual(
    count: int,
    session: str,
    agent: str,
    language: str,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show actions that were rare, slow, dear, or failed where the like succeed, and why.

    Example: spanledger history unusual --agent planner
    """
    with _asking.asking(url, data_dir) as warehouse:
        history = History(warehouse, language=language)
        _require_any(history, session, agent)
        found = history.unusual(count, session=session, agent=agent)
    if as_json:
        rows = [{**_history.facts(each.action), "reasons": each.reasons} for each in found]
        _output.print_json(rows)
    else:
        told = [
            f"{each.action.span_id}  {each.action.kind} {each.action.name}: "
            + "; ".join(each.reasons)
            for each in found
        ]
        _output.console().print(_history.sentences(told or ["Nothing stands out."]))
    return 0


@command.command("related")
@click.argument("words", nargs=-1, required=True)
@_asking.since_option("30d")
@click.option("--session", metavar="ID", default="", help="Only this session.")
@_count
@_where
def related(
    words: tuple[str, ...],
    since: datetime | None,
    session: str,
    count: int,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Find actions by words of their names, failures and recorded contents.

    Example: spanledger history related timeout depot Bergen
    """
    with _asking.asking(url, data_dir) as warehouse:
        found = History(warehouse).find_related(
            " ".join(words), since=since or _EVER, session=session, limit=count
        )
    if as_json:
        _output.print_json([{"score": e.score, **_history.facts(e.action)} for e in found])
    elif found:
        _output.console().print(_history.related_table(found))
    else:
        raise CliError("no action has to do with these words")
    return 0


@command.command("export")
@click.argument("action_id", metavar="ID")
@click.option("--form", type=click.Choice(FORMS), default="markdown", show_default=True)
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), help="File to write."
)
@_language
@_where
def export_(
    action_id: str,
    form: Form,
    output: Path | None,
    language: str,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Write the chain of actions in which one was done, as a document.

    PDF is printed by Chromium, if that is installed; else print the HTML with your browser.

    Example: spanledger history export 9f86d081884c7d65 --form html -o chain.html
    """
    if form == "pdf" and output is None:
        raise click.UsageError("A PDF is no text: give a file with -o.")
    with _asking.asking(url, data_dir) as warehouse:
        history = History(warehouse, language=language)
        chain = history.chain_of(action_id)
    document = export(chain, form, history.texts)
    if output is not None:
        output.write_bytes(document)
    if as_json:
        text = None if output is not None else document.decode()
        told = {"form": form, "actions": len(chain), "file": output, "text": text}
        _output.print_json(told)
    elif output is None:
        click.echo(document.decode(), nl=False)
    return 0
