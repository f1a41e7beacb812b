"""`spanledger doctor`: find the usual mistakes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from spanledger.cli import _options, _output
from spanledger.cli.checks import Result, run_all

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


@click.command("doctor")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(url: str | None, data_dir: Path | None, as_json: bool) -> int:
    """Find the usual mistakes and say how to mend each.

    Run it where the agent runs: in its environment, its folder, with its variables. Exit code 1
    if anything fails; warnings leave it at 0.

    Example: spanledger doctor
    """
    with _output.progress("looking around", lines=False) as step:
        results = list(run_all(url, data_dir, step))
    if as_json:
        _output.print_json({"results": results})
    else:
        _show(_output.console(), results)
    return 1 if any(result.status == "fail" for result in results) else 0


def _show(screen: Console, results: Sequence[Result]) -> None:
    for result in results:
        mark, style = _MARKS[result.status]
        line = Text(f"{mark} ", style=style).append(result.name, style="bold")
        screen.print(line.append(f"  {result.detail}", style="not bold default"), soft_wrap=True)
        if result.mend:
            screen.print(Text(f"    → {result.mend}", style=style), soft_wrap=True)
    counts = Counter(result.status for result in results)
    screen.print(f"\n{counts['ok']} ok, {counts['warn']} warnings, {counts['fail']} failures")
