"""`spanledger report`: what was spent, on whom."""

from datetime import UTC, datetime
from pathlib import Path

import click

from spanledger.analytics import DIMENSIONS, CostRow, Dimension, cost_report, totals
from spanledger.cli import _locate, _options, _output
from spanledger.cli._report import report
from spanledger.cli._since import FORMS, parse_since

_DEFAULT: tuple[Dimension, ...] = ("agent", "model", "session")


def _since(_context: click.Context, _parameter: click.Parameter, text: str) -> datetime | None:
    try:
        return parse_since(text, datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


@click.command("report")
@click.option(
    "--by",
    type=click.Choice(DIMENSIONS),
    multiple=True,
    help="What to break the cost down by; may be given again.  [default: agent, model, session]",
)
@click.option(
    "--since",
    metavar="WHEN",
    default="all",
    show_default=True,
    callback=_since,
    help=f"How far back: {FORMS}.",
)
@click.option("--session", default="", metavar="ID", help="Only this session.")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    by: tuple[Dimension, ...],
    since: datetime | None,
    session: str,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show cost and tokens by agent, model, session and more.

    A call whose price is not known is shown as unpriced and never counted as $0. In JSON,
    money is an exact decimal in a text, and null where it is not known.

    Example: spanledger report --by agent --by model --since 24h
    """
    with _locate.open_warehouse(url, data_dir) as warehouse:
        rows: dict[str, list[CostRow]] = {
            name: cost_report(warehouse, name, since=since, session=session)
            for name in by or _DEFAULT
        }
        total = totals(warehouse, since=since, session=session)
    if as_json:
        _output.print_json(
            {"since": since, "session": session or None, "by": rows, "totals": total}
        )
    elif total.calls or total.refused_calls or total.tool_calls:
        _output.console().print(report(rows, total))
    else:
        _output.console().print("No calls are recorded for this choice.")
    return 0
