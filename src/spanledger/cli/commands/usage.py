"""`spanledger usage`: questions about the history, and what to do with it."""

from importlib import import_module

import click

#: In the order in which people need them.
VERBS = (
    "stats", "timeseries", "compare", "sessions", "cache", "retries", "refused",
    "track", "export", "reset",
)  # fmt: skip


class _Verbs(click.Group):
    """A module is imported when its verb is."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        found: click.Command = import_module(f"spanledger.cli.usage.{cmd_name}").command
        return found


@click.group("usage", cls=_Verbs)
def command() -> None:
    """Ask the history who used what, and at what price.

    Names that nothing is recorded of are errors. Times are UTC.

    Example: spanledger usage stats --by model --since 7d
    """
