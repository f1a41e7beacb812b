"""`spanledger run`: start a program with the guard in front of OpenTelemetry's own boot.

`opentelemetry-instrument` calls our hook only after the provider has been made. Where making
it fails (an exporter that does not exist, a distribution that raises), OpenTelemetry starts
the program all the same, without the hook and so without limits. Here the order is turned
round: a `sitecustomize` of ours comes first on the path, puts the guard in, and only then
starts OpenTelemetry's boot, whatever becomes of that. Child processes inherit the path.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn, TextIO

LAUNCH_DIR: Final = str(Path(__file__).with_name("_launch"))
#: Process that `spanledger run` became; it keeps its id through exec.
LAUNCHED_PID: Final = "SPANLEDGER_LAUNCHED_PID"

USAGE: Final = """\
Usage: spanledger run [--] COMMAND [ARGUMENTS]...

  Run a program with the guard in front of it, then instrument it.

  Does what opentelemetry-instrument does, but puts the limits in first: they hold even where
  OpenTelemetry's own start fails (an exporter that does not exist, only one OTLP protocol
  installed, a distribution that raises). Output, signals and exit code are the program's.
  OpenTelemetry is configured by its OTEL_* variables.

  Example: spanledger run -- python agent.py

Options:
  --help  Show this message and exit.
"""

_WRAPPER: Final = "opentelemetry-instrument"
#: Options of Python after which it does not read PYTHONPATH or does not start `site`.
_BLIND: Final = frozenset("IES")
#: Options of Python that take the next argument as their value, or end the options.
_WITH_VALUE: Final = frozenset("XW")
_LAST: Final = frozenset("cm")


class LaunchError(Exception):
    """The program can't be started under the guard; says why and what to do."""


def main(arguments: Sequence[str], *, stdout: TextIO | None = None) -> int:
    """Become the program in `arguments`; returns only if it can't: 0 for help, 2 otherwise."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if command[:1] in (["--help"], ["-h"]):
        (stdout or sys.stdout).write(USAGE)
        return 0
    try:
        launch(command)
    except LaunchError as error:
        sys.stderr.write(f"spanledger run: {error}\n")
    return 2


def launch(command: Sequence[str]) -> NoReturn:
    """Replace this process by `command`.

    Raises:
        LaunchError: there is no such program, or the guard could not get into it.
    """
    check_command(command)
    executable = shutil.which(command[0])
    if executable is None:
        raise LaunchError(
            f"{command[0]!r} is not a program that can be run; check its name and the PATH."
        )
    environ = child_environment(os.environ, os.getcwd())
    environ[LAUNCHED_PID] = str(os.getpid())
    sys.stdout.flush()
    try:
        os.execve(executable, list(command), environ)  # noqa: S606 - becoming it is the purpose
    except OSError as error:
        raise LaunchError(f"{executable} can't be run: {error.strerror}.") from error


def check_command(command: Sequence[str]) -> None:
    """Refuse what would run unguarded. Pure.

    Raises:
        LaunchError: no command, a command that puts its own boot before ours, or a Python that
            is told to ignore the environment.
    """
    if not command:
        raise LaunchError("no program to run; write `spanledger run -- python agent.py`.")
    name = Path(command[0]).name
    if name == _WRAPPER:
        raise LaunchError(
            f"`spanledger run` takes the place of {_WRAPPER}, which would start before the guard; "
            "leave it out and give its options as OTEL_* variables."
        )
    if name.startswith("python") and (option := _blind_option(command[1:])):
        raise LaunchError(
            f"Python's option {option} makes it ignore PYTHONPATH, so the guard could not be put "
            "in; leave it out, or call spanledger.instrumentation.install() in the program."
        )


def _blind_option(arguments: Sequence[str]) -> str | None:
    """The option of a Python command line that shuts our `sitecustomize` out."""
    skip = False
    for argument in arguments:
        if skip:
            skip = False
            continue
        if not argument.startswith("-") or argument in {"-", "--"}:
            return None
        if argument.startswith("--"):
            continue
        for position, letter in enumerate(argument[1:], 1):
            if letter in _BLIND:
                return f"-{letter}"
            if letter in _LAST:
                return None
            if letter in _WITH_VALUE:
                skip = position == len(argument) - 1
                break
    return None


def child_environment(environ: Mapping[str, str], cwd: str) -> dict[str, str]:
    """`environ` with our folder first on PYTHONPATH and the working directory on it. Pure.

    The working directory is what `opentelemetry-instrument` adds too: programs that come with
    an executable of their own (gunicorn, celery) find the user's modules by it.
    """
    given = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    rest = [path for path in given if path != LAUNCH_DIR and not _is_otel(path)]
    paths = [LAUNCH_DIR, *([] if cwd in rest else [cwd]), *rest]
    return {**environ, "PYTHONPATH": os.pathsep.join(paths)}


def _is_otel(path: str) -> bool:
    """OpenTelemetry's own `sitecustomize` folder: its boot is started by us."""
    return Path(path).parts[-3:] == ("opentelemetry", "instrumentation", "auto_instrumentation")


def boot() -> None:
    """Guard first, then OpenTelemetry. Called by our `sitecustomize`, in every Python process."""
    from spanledger.instrumentation.boot import install

    hidden = _hide_path()
    try:
        install(make_provider=False)
        _start_opentelemetry()
        _replace_exporters()
    finally:
        if hidden is not None:
            os.environ["PYTHONPATH"] = hidden


def _hide_path() -> str | None:
    """Take our folder off PYTHONPATH: what OpenTelemetry's boot starts must not boot again."""
    present = os.environ.get("PYTHONPATH")
    if present is not None:
        rest = [path for path in present.split(os.pathsep) if path != LAUNCH_DIR]
        os.environ["PYTHONPATH"] = os.pathsep.join(rest)
    return present


def _start_opentelemetry() -> None:
    """OpenTelemetry's own boot. It logs what fails in it, and the program starts all the same."""
    from opentelemetry.instrumentation.auto_instrumentation import initialize

    initialize()


def _replace_exporters() -> None:
    """Do what `install` does where a provider is there already: replace stock exporters to our
    own address, which were put in only now. Else every span would be sent there twice."""
    from spanledger.instrumentation.boot import installation
    from spanledger.processors.providers import current_provider
    from spanledger.processors.superseded import supersede

    made, provider = installation(), current_provider()
    if made is None or provider is None or made.exporter is None:
        return
    if made.settings.export.mode == "on":
        made.superseded += supersede(provider, made.endpoint, os.environ)
