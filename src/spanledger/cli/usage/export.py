"""`spanledger usage export`: history as a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from spanledger.analytics import (
    EXPORT_FORMS,
    EXPORT_TABLES,
    ExportForm,
    ExportTable,
    export_count,
    export_rows,
)
from spanledger.cli import _asking, _options, _output
from spanledger.cli._errors import CliError
from spanledger.cli._format import counted

_STDOUT = Path("-")


@click.command("export")
@click.argument("what", type=click.Choice(EXPORT_TABLES))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(EXPORT_FORMS),
    help="json: one object a line, money as texts.  [default: by the file's ending, else json]",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@_asking.period_options()
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    what: ExportTable,
    file: Path,
    form: ExportForm | None,
    force: bool,
    since: datetime | None,
    until: datetime | None,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> int:
    """Write a view of the history to FILE (- for stdout) as JSON, CSV or Parquet.

    The file appears when it is whole. A ClickHouse server streams, so memory stays flat; the
    embedded engine of the local stack builds a Parquet file in its memory.

    Example: spanledger usage export calls calls.parquet --since 30d
    """
    chosen = form or _form_of(file)
    if file != _STDOUT and file.exists() and not force:
        raise CliError(f"{file} is there already; name another file, or give --force")
    with _asking.asking(url, data_dir) as warehouse:
        rows = export_count(warehouse, what, since=since, until=until)
        pieces = export_rows(warehouse, what, chosen, since=since, until=until)
        with _target(file) as target:
            size = _copy(pieces, target, f"{counted(rows, 'row')} of {what}")
    facts = {"table": what, "format": chosen, "file": file, "rows": rows, "bytes": size}
    if file == _STDOUT:
        return 0
    if as_json:
        _output.print_json(facts)
    else:
        click.echo(f"{counted(rows, 'row')} of {what} in {file} ({size:,} bytes).")
    return 0


def _form_of(file: Path) -> ExportForm:
    endings: dict[str, ExportForm] = {".csv": "csv", ".parquet": "parquet"}
    return endings.get(file.suffix.lower(), "json")


def _copy(pieces: Iterator[bytes], target: BinaryIO, what: str) -> int:
    size = 0
    with _bar() as progress:
        task = progress.add_task(what, total=None)
        for piece in pieces:
            size += target.write(piece)
            progress.advance(task, len(piece))
    return size


def _bar() -> Progress:
    """On stderr, where it is a terminal."""
    screen = Console(stderr=True, highlight=False, markup=False, emoji=False)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=screen,
        disable=not screen.is_terminal,
    )


@contextmanager
def _target(file: Path) -> Iterator[BinaryIO]:
    """Beside its place until it is whole.

    Raises:
        CliError: it can't be written.
    """
    if file == _STDOUT:
        yield sys.stdout.buffer
        return
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as target:
            yield target
        part.replace(file)
    except OSError as error:
        raise CliError(f"{file} can't be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
