"""Virtual environments with other versions, built once and kept between runs.

They live in ``SPANLEDGER_TEST_CACHE`` (default: ``.cache`` in the repository), one for each
set of requirements that can't share a process with another. The package under test is
installed editable, so a kept environment always runs the present code.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_BUILD_TIMEOUT_S = 900.0


class EnvironmentUnavailable(Exception):
    """The environment can't be built here, for want of a registry; the message says more."""


def python_of(name: str, requirements: tuple[str, ...]) -> Path:
    """The interpreter of an environment with `requirements` and the package under test.

    Raises `EnvironmentUnavailable` if the installation fails.
    """
    folder = _cache_dir() / "venvs" / f"{name}-{_key(requirements)}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python, done = folder / "bin" / "python", folder / "complete"
    with _locked(folder.with_suffix(".lock")):
        if not done.is_file():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder, python, requirements)
            done.touch()
    return python


def _cache_dir() -> Path:
    return Path(os.environ.get("SPANLEDGER_TEST_CACHE") or REPOSITORY / ".cache")


def _key(requirements: tuple[str, ...]) -> str:
    """Changes with what is installed, so that a kept environment is never the wrong one."""
    text = "\n".join((sys.version, str(REPOSITORY), *requirements))
    project = (REPOSITORY / "pyproject.toml").read_bytes()
    return hashlib.sha256(text.encode() + project).hexdigest()[:12]


def _build(folder: Path, python: Path, requirements: tuple[str, ...]) -> None:
    wanted = ["-e", str(REPOSITORY), *requirements]
    if uv := shutil.which("uv"):
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "--quiet", "--python", str(python), *wanted])
        return
    _run([sys.executable, "-m", "venv", str(folder)])
    _run([str(python), "-m", "pip", "install", "--quiet", *wanted])


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentUnavailable(f"{command[0]} did not run: {error}") from error
    if done.returncode:
        raise EnvironmentUnavailable(f"{' '.join(command[:4])} failed: {done.stderr[-1500:]}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process builds; the others wait for it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
