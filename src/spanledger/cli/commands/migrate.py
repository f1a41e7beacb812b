"""`spanledger migrate`: bring the database to the schema of this release."""

import os
from pathlib import Path

import click

from spanledger.cli import _locate, _options, _output
from spanledger.cli._errors import CliError
from spanledger.warehouse import (
    KEPT,
    READER,
    Migration,
    Warehouse,
    allow_reader,
    bootstrap,
    connect,
    migrate,
    plan,
    target,
)
from spanledger.warehouse import (
    retain as keep_for,
)

PASSWORD_VARIABLE = "SPANLEDGER_READER_PASSWORD"  # noqa: S105 - a name


def _password() -> str:
    """Not from the command line: others on the machine see that."""
    if password := os.environ.get(PASSWORD_VARIABLE):
        return password
    raise CliError(f"{PASSWORD_VARIABLE} is not set", f"set it to the password of {READER}")


def _retained(
    _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, int]:
    days = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in KEPT or not number.isdecimal():
            raise click.BadParameter(
                f"{text!r} is not understood; give {' or '.join(KEPT)}, = and a number of days."
            )
        days[name] = int(number)
    return days


@click.command("migrate")
@click.option("--plan", "only_plan", is_flag=True, help="Print the SQL and change nothing.")
@click.option("--cluster", metavar="NAME", help="Run on every node of this cluster.")
@click.option(
    "--retain",
    metavar="WHAT=DAYS",
    multiple=True,
    callback=_retained,
    help=f"Keep rows for so many days, 0 for good; WHAT is {', '.join(KEPT)}. May be given again.",
)
@click.option(
    "--reader",
    is_flag=True,
    help=f"On a server: make or renew the user {READER} for dashboards, who reads views and "
    f"nothing else. Its password is taken from {PASSWORD_VARIABLE}.",
)
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    only_plan: bool,
    cluster: str | None,
    retain: dict[str, int],
    reader: bool,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Bring the database to the schema of this release.

    Forward only, and safe to run again. The local stack does this by itself when it starts.

    Example: spanledger migrate --plan --url http://default:secret@ch.example:8123/spanledger
    """
    password = _password() if reader else ""
    with connect(_locate.warehouse_url(url, data_dir)) as warehouse:
        if only_plan:
            _show_plan(warehouse, cluster, as_json=as_json)
            return 0
        with _output.progress("migrating"):
            done = [str(migration) for migration in migrate(warehouse, cluster=cluster)]
            keep_for(warehouse, retain, cluster=cluster)
            if reader:
                allow_reader(warehouse, password, cluster=cluster)
        if as_json:
            _output.print_json({"clickhouse": str(warehouse.address), "applied": done})
        else:
            text = f"applied {', '.join(done)}" if done else "was current already"
            _output.console().print(f"{warehouse.address}: {text}.", soft_wrap=True)
    return 0


def _show_plan(warehouse: Warehouse, cluster: str | None, *, as_json: bool) -> None:
    where = target(warehouse, cluster)
    missing: list[Migration] = plan(warehouse)
    sql = {str(migration): migration.rendered(where) for migration in missing}
    if missing:
        sql = {"bootstrap": bootstrap(where), **sql}
    if as_json:
        _output.print_json({"clickhouse": str(warehouse.address), "pending": sql})
        return
    for name, statements in sql.items():
        click.echo(f"-- {name}")
        for statement in statements:
            click.echo(f"{statement};\n")
    if not missing:
        click.echo(f"-- {warehouse.address}: nothing to do, the schema is current.")
