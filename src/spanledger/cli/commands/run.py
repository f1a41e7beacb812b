"""`spanledger run`, for the list of commands: `spanledger.cli.main` handles it before click is
imported, so that it works with the core dependencies alone."""

import click

from spanledger.instrumentation import launcher


class _Launcher(click.Command):
    """Whose help is that of the launcher, which must not need click."""

    def get_help(self, ctx: click.Context) -> str:
        return launcher.USAGE.rstrip()


@click.command(
    "run",
    cls=_Launcher,
    context_settings={"ignore_unknown_options": True},
    short_help="Run a program with the guard in front of it, then instrument it.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    return launcher.main(arguments)
