"""Python imports this before the program, because `spanledger run` put its folder on the path.

It may be read by any Python that the program starts, old ones and ones without Spanledger too,
so it is plain and imports nothing outside of functions but the standard library.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _guard() -> None:
    try:
        from spanledger.instrumentation import launcher
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the guard is not there
        _without_guard(error)
        return
    launcher.boot()


def _without_guard(error: Exception) -> None:
    """The program asked to be guarded must not run unguarded; its children can't be judged."""
    sys.stderr.write(
        f"spanledger run: no guard in {sys.executable} ({type(error).__name__}: {error}); "
        "install spanledger into this Python.\n"
    )
    if os.environ.get("SPANLEDGER_LAUNCHED_PID") == str(os.getpid()):
        sys.stderr.write("spanledger run: the program was not started.\n")
        sys.stderr.flush()
        # Not SystemExit: raised this early it looks like a crash of Python.
        os._exit(1)


def _next() -> None:
    """Run the `sitecustomize` that this one hides."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    others = [path for path in sys.path if os.path.abspath(path) != _HERE]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_guard()
_next()
