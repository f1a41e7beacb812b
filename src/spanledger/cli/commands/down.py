"""`spanledger down`: stop the local stack."""

from pathlib import Path

import click

from spanledger import stack
from spanledger.cli import _locate, _options, _output


@click.command("down")
@_options.data_dir_option
@_options.json_option
def command(data_dir: Path | None, as_json: bool) -> int:
    """Stop the local stack. Its data stays.

    Nothing happens if none runs.

    Example: spanledger down
    """
    folder = _locate.data_dir_of(data_dir)
    with _output.progress("stopping the local stack"):
        stopped = stack.stop(folder)
    if as_json:
        _output.print_json({"data_dir": folder, "stopped": stopped})
    else:
        text = "The local stack is stopped" if stopped else "No local stack was running"
        _output.console().print(f"{text} (data in {folder}).", soft_wrap=True)
    return 0
