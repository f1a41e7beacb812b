"""The command line. One command a file, in ``commands/``.

`spanledger run` needs nothing but the core dependencies; everything else needs click, rich and
the ClickHouse driver, which are imported only when they are wanted.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

__all__ = ["main"]

_MISSING = (
    "Error: the command line needs the package {name!r}, which is not installed; "
    "run `pip install 'spanledger[local]'`.\n"
)
_OPTIONAL = ("click", "rich")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code: 0 done, 1 failed or in a bad state, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["run"]:
        from spanledger.instrumentation import launcher

        return launcher.main(given[1:])
    for name in _OPTIONAL:
        try:
            import_module(name)
        except ModuleNotFoundError:
            sys.stderr.write(_MISSING.format(name=name))
            return 1
    from spanledger.cli._app import run

    return run(given)
