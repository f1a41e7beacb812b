"""`spanledger graduate`: from the local stack to a ClickHouse server."""

from decimal import Decimal
from pathlib import Path

import click

from spanledger.cli import _locate, _options, _output
from spanledger.cli._format import counted, show_cost


@click.command("graduate")
@click.argument("url")
@_options.data_dir_option
@_options.json_option
def command(url: str, data_dir: Path | None, as_json: bool) -> int:
    """Copy all that the local stack holds to the ClickHouse server at URL, and compare.

    The database at URL must be empty, or hold an unfinished copy of this stack: run the command
    again to go on with one. Meanwhile the stack tells senders to come again. It keeps its data.

    Example: spanledger graduate http://default:secret@ch.example:8123/spanledger
    """
    from spanledger.stack.graduation import graduate

    with _output.progress("copying", lines=False) as step:
        done = graduate(url, _locate.data_dir_of(data_dir), progress=step)
    if as_json:
        _output.print_json(done)
        return 0
    cost = show_cost(Decimal(done.cost_nano_usd).scaleb(-9), 0)
    _output.console().print(
        f"Copied and compared: {sum(done.rows.values()):,} rows, "
        f"{counted(done.calls, 'call')}, {cost}.\n"
        "Next: name the server in SPANLEDGER_CLICKHOUSE_URL, send OTLP to a Collector in front of "
        "it, and `spanledger down`.",
        soft_wrap=True,
    )
    return 0
