"""`spanledger backup`: the local stack's data into a folder."""

from pathlib import Path

import click

from spanledger.cli import _locate, _options, _output
from spanledger.cli._format import counted


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
@_options.data_dir_option
@_options.json_option
def command(folder: Path, data_dir: Path | None, as_json: bool) -> int:
    """Write a backup of the local stack into FOLDER, which must not exist.

    All tables are as of one moment. The stack may run: while the backup is made it tells senders
    to come again, and nothing is lost.

    Example: spanledger backup ~/backups/spanledger-monday
    """
    from spanledger.stack.backups import backup

    with _output.progress("backing up", lines=False) as step:
        made = backup(folder, _locate.data_dir_of(data_dir), progress=step)
    if as_json:
        _output.print_json({"folder": folder.absolute(), "manifest": made})
        return 0
    rows, files = sum(made.rows.values()), counted(len(made.rows), "table")
    _output.console().print(
        f"Backed up {rows:,} rows of {files} to {folder.absolute()} (ClickHouse "
        f"{made.engine_version}, schema {made.schema_version}).",
        soft_wrap=True,
    )
    return 0
