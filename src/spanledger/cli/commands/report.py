"""`spanledger report`: what was spent, on whom."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from spanledger import pricing
from spanledger.analytics import DIMENSIONS, CostRow, Dimension, cost_report, totals
from spanledger.cli import _asking, _locate, _options, _output
from spanledger.cli._errors import CliError
from spanledger.cli._report import report

_DEFAULT: tuple[Dimension, ...] = ("agent", "model", "session")


@click.command("report")
@click.option(
    "--by",
    type=click.Choice(DIMENSIONS),
    multiple=True,
    help="What to break the cost down by; may be given again.  [default: agent, model, session]",
)
@_asking.since_option()
@click.option("--session", default="", metavar="ID", help="Only this session.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write a page with charts, for people who decide (- for stdout).",
)
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write the same as Markdown (- for stdout).",
)
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    by: tuple[Dimension, ...],
    since: datetime | None,
    session: str,
    page: Path | None,
    markdown: Path | None,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Show cost and tokens by agent, model, session and more.

    A call whose price is not known is shown as unpriced and never counted as $0. In JSON,
    money is an exact decimal in a text, and null where it is not known.

    --html and --markdown tell more: cost over time and what is to come, models, sessions, caches,
    retries, refusals, and what stands out. The page is one file that loads nothing.

    Example: spanledger report --by agent --by model --since 24h
    """
    if page or markdown:
        if by or session:
            raise click.UsageError("--html and --markdown are about all calls since a time.")
        return _write_files(since, page, markdown, url, data_dir)
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


def _write_files(
    since: datetime | None,
    page: Path | None,
    markdown: Path | None,
    url: str | None,
    data_dir: Path | None,
) -> int:
    from spanledger.cli._report_facts import gather
    from spanledger.cli._report_html import report_html
    from spanledger.cli._report_markdown import report_markdown

    pricing.configure(_locate.settings().pricing.overrides)
    with _asking.asking(url, data_dir) as warehouse:
        facts = gather(warehouse, since, datetime.now(UTC))
    for file, made in ((page, report_html), (markdown, report_markdown)):
        if file is not None:
            _write(file, made(facts))
    return 0


def _write(file: Path, text: str) -> None:
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{file} can't be written: {error.strerror}") from error
    click.echo(f"Wrote {file}.")
