"""`spanledger reconcile`: what is recorded against what the provider bills."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from spanledger.analytics import (
    BilledLine,
    Difference,
    Reconciliation,
    UnreadableBill,
    read_bill,
    reconcile,
    recorded_days,
)
from spanledger.analytics.reconciliation import MEANINGS, Amounts
from spanledger.cli import _asking, _options, _output
from spanledger.cli._errors import CliError
from spanledger.cli._format import show_usd
from spanledger.cli._output import plain
from spanledger.cli._tables import NONE, table

_MOST_BYTES = 256 * 1024 * 1024


@click.command("reconcile")
@click.argument(
    "files", nargs=-1, required=True, metavar="FILE...",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)  # fmt: skip
@click.option("--all", "show_all", is_flag=True, help="Lines that agree, too.")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    files: tuple[Path, ...],
    show_all: bool,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Compare recorded usage and cost with a provider's export, by day and model.

    FILE is a usage or cost export of OpenAI or Anthropic, JSON (as their APIs answer) or CSV; give
    usage and cost together for the most exact answer. Exit code 1 if something differs by more
    than rounding.

    Example: spanledger reconcile openai-usage.json openai-costs.json
    """
    bill = [line for file in files for line in _read(file)]
    providers = sorted({line.provider for line in bill})
    days = [line.day for line in bill]
    with _asking.asking(url, data_dir) as warehouse:
        found = reconcile(recorded_days(warehouse, providers, min(days), max(days)), bill)
    if as_json:
        _output.print_json(_facts(found))
    else:
        _print(found, show_all=show_all)
    return 0 if found.explained else 1


def _read(file: Path) -> list[BilledLine]:
    """Raises `CliError`: it is no export that can be read."""
    if file.stat().st_size > _MOST_BYTES:
        raise CliError(f"{file} is larger than 256 MiB; export fewer days at a time")
    try:
        return read_bill(file.read_text(encoding="utf-8"))
    except (UnreadableBill, UnicodeDecodeError, OSError) as error:
        raise CliError(f"{file}: {error}") from error


def _facts(found: Reconciliation) -> dict[str, object]:
    lines = [
        {**plain(line), "cost_difference_usd": plain(line.cost_difference_usd)}
        for line in found.lines
    ]
    return {**plain(found), "lines": lines, "explained": found.explained, "classes": MEANINGS}


def _print(found: Reconciliation, *, show_all: bool) -> None:
    shown = [line for line in found.lines if show_all or line.kind not in ("none", "rounding")]
    console = _output.console()
    if shown:
        headings = ["day", "model", "class", "recorded", "billed", "tokens", "billed tokens"]
        console.print(table(headings, [_cells(line) for line in shown], words=3))
        console.print()
    for line in _summary(found):
        console.print(line)


def _summary(found: Reconciliation) -> Sequence[str]:
    kinds = Counter(line.kind for line in found.lines)
    lines = [f"{number} × {kind}: {MEANINGS[kind]}" for kind, number in kinds.most_common()]
    billed = "not told" if found.billed_usd is None else show_usd(found.billed_usd)
    return [*lines, f"recorded {show_usd(found.recorded_usd)}, billed {billed}"]


def _cells(line: Difference) -> list[str]:
    return [
        line.day.isoformat(),
        line.model or "(all models)",
        line.kind,
        _cost(line.recorded),
        _cost(line.billed),
        _tokens(line.recorded),
        _tokens(line.billed),
    ]


def _cost(amounts: Amounts | None) -> str:
    return NONE if amounts is None or amounts.cost_usd is None else show_usd(amounts.cost_usd)


def _tokens(amounts: Amounts | None) -> str:
    if amounts is None or amounts.input_tokens is None:
        return NONE
    return f"{amounts.input_tokens:,} + {amounts.output_tokens or 0:,}"
