"""`spanledger migrate`: bring the database to the schema of this release."""

from pathlib import Path

import click

from spanledger.cli import _locate, _options, _output
from spanledger.warehouse import Migration, Warehouse, bootstrap, connect, migrate, plan, target


@click.command("migrate")
@click.option("--plan", "only_plan", is_flag=True, help="Print the SQL and change nothing.")
@click.option("--cluster", metavar="NAME", help="Run on every node of this cluster.")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    only_plan: bool, cluster: str | None, url: str | None, data_dir: Path | None, as_json: bool
) -> int:
    """Bring the database to the schema of this release.

    Forward only, and safe to run again. The local stack does this by itself when it starts.

    Example: spanledger migrate --plan --url http://default:secret@ch.example:8123/spanledger
    """
    with connect(_locate.warehouse_url(url, data_dir)) as warehouse:
        if only_plan:
            _show_plan(warehouse, cluster, as_json=as_json)
            return 0
        with _output.progress("migrating"):
            done = [str(migration) for migration in migrate(warehouse, cluster=cluster)]
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
