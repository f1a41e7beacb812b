"""``python -m spanledger.cli.reference``: the reference page, printed from the help itself."""

import sys
from collections.abc import Iterator

import click

from spanledger.cli._app import app

_HEAD = """\
# Command line

<!-- Printed by `python -m spanledger.cli.reference`; a test holds it current. -->

`spanledger run` needs the core package only; the other commands come with
`pip install 'spanledger[local]'`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed, or the answer is bad (it is printed all the same) |
| 2 | wrong usage: an option, a name of a choice, a time that is none |
| 130 | interrupted |

A bad answer is what `status`, `health`, `doctor`, `verify`, `reconcile` and `guard explain` give of
what is ill, does not fit, or would be refused.

Errors are one sentence on stderr, and stdout stays empty, with `--json` too: a program looks at the
exit code first. What an error quotes is cut to a few hundred characters and holds no control
characters. `SPANLEDGER_DEBUG=1` shows the traceback as well. A name that nothing is recorded of
(`--agent plannr`) is an error, with names that are like it; a period without calls is not.

With `--json` a command prints one JSON document on stdout; money is an exact decimal in a text, and
null where it is not known. `spanledger run` prints and exits as the program that it runs.

`spanledger completion` prints what bash, zsh and fish need to complete commands and options.
"""


def page() -> str:
    """The whole page as Markdown."""
    sections = [
        f"## `{context.command_path}`\n\n```text\n{help_of(context)}\n```\n"
        for context in contexts()
    ]
    return "\n".join([_HEAD, *sections])


def help_of(context: click.Context) -> str:
    """What ``--help`` prints."""
    return context.command.get_help(context).rstrip()


def contexts(parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context for the group of commands and for everything below it."""
    context = parent or click.Context(app, info_name="spanledger", **app.context_settings)
    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            below = context.command.get_command(context, name)
            if below is None:
                raise LookupError(f"{context.command_path} lists {name!r}, which is not there")
            yield from contexts(
                click.Context(below, info_name=name, parent=context, **below.context_settings)
            )


if __name__ == "__main__":
    sys.stdout.write(page())
