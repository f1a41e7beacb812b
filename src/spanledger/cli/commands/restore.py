"""`spanledger restore`: a new data folder from a backup."""

from pathlib import Path

import click

from spanledger.cli import _locate, _options, _output


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path))
@_options.data_dir_option
@_options.json_option
def command(folder: Path, data_dir: Path | None, as_json: bool) -> int:
    """Begin a data folder from the backup in FOLDER, and compare what came out with what went in.

    The data folder must hold nothing: a restore never overwrites. A backup of a newer ClickHouse
    or a newer Spanledger is refused.

    Example: spanledger restore ~/backups/spanledger-monday --data-dir ./ledger
    """
    from spanledger.stack.backups import restore

    where = _locate.data_dir_of(data_dir)
    with _output.progress("restoring", lines=False) as step:
        made = restore(folder, where, progress=step)
    if as_json:
        _output.print_json({"data_dir": where, "manifest": made})
        return 0
    _output.console().print(
        f"Restored {sum(made.rows.values()):,} rows as of {made.created_at} to {where}.\n"
        f"Next: spanledger up --data-dir {where}",
        soft_wrap=True,
    )
    return 0
