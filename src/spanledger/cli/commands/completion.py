"""`spanledger completion`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class

from spanledger.cli._errors import CliError

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_SPANLEDGER_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def command(context: click.Context, shell: str) -> int:
    """Print the script that completes commands, options and their choices in a shell.

    bash: eval "$(spanledger completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc, after
    compinit; fish: spanledger completion fish > ~/.config/fish/completions/spanledger.fish. Names
    of agents and sessions are not completed: no key press asks the database.

    Example: spanledger completion bash
    """
    found = get_completion_class(shell)
    if found is None:
        raise CliError(f"the installed click can't complete in {shell}; run `pip install -U click`")
    click.echo(found(context.find_root().command, {}, "spanledger", _VARIABLE).source())
    return 0
