"""The group of commands, and what happens to their errors."""

import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from spanledger.cli._errors import CliError, known_errors
from spanledger.cli._format import shortened

DEBUG_VARIABLE = "SPANLEDGER_DEBUG"
#: In the order in which people meet them.
COMMANDS = (
    "demo", "up", "down", "status", "health", "backup", "restore", "graduate", "migrate", "verify",
    "reprice", "report", "trace", "errors", "usage", "forecast", "anomalies",
    "reconcile", "history", "budget", "rate-limit", "breaker",
    "guard", "doctor", "prices", "mcp", "completion", "run",
)  # fmt: skip
_INTERRUPTED = 130

_EPILOG = """\b
Exit codes: 0 done; 1 failed, or what was asked about is in a bad state; 2 wrong usage.
Errors are one sentence; SPANLEDGER_DEBUG=1 shows the traceback too."""


class _Commands(click.Group):
    """Commands by name; a module is imported when its command is."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"spanledger.cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command


# The width is fixed, so that the reference page is the same everywhere.
_CONTEXT = {"help_option_names": ["-h", "--help"], "terminal_width": 88, "max_content_width": 88}


@click.group(cls=_Commands, context_settings=_CONTEXT, epilog=_EPILOG)
@click.version_option(version("spanledger"), prog_name="spanledger")
def app() -> None:
    """Meter, budget and protect LLM agents; every call is in ClickHouse.

    Example: spanledger demo
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Errors become one sentence on stderr."""
    # The driver logs what it raises as well; ours say it once.
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
    try:
        result: Any = app.main(list(arguments), prog_name="spanledger", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        _show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("Interrupted.\n")
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has enough (`| head`); Python must not complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE, "") not in {"", "0"}:
            raise
        sys.stderr.write(f"Error: {_sentence(error)}\n")
        return error.exit_code if isinstance(error, CliError) else 1
    return result if isinstance(result, int) else 0


def _show(error: click.ClickException) -> None:
    """As click words it, which may quote all that it was given."""
    said = io.StringIO()
    error.show(said)
    sys.stderr.write(f"{shortened(said.getvalue())}\n")


def _sentence(error: Exception) -> str:
    text = shortened(" ".join(str(error).split())) or type(error).__name__
    if isinstance(error, known_errors()):
        return text if text.endswith((".", "?", "!")) else f"{text}."
    return (
        f"this should not have happened ({type(error).__name__}: {text}); please report it with "
        f"what {DEBUG_VARIABLE}=1 shows."
    )
