"""One virtual environment for each set of requirements, kept between runs."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.peers.candidates import Candidate

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache" / "peers"


def python_of(candidate: Candidate) -> Path:
    """The interpreter of the candidate's environment, which is made if it isn't there.

    Raises:
        subprocess.CalledProcessError: an installation failed.
    """
    name = hashlib.sha256("\n".join(candidate.requirements).encode()).hexdigest()[:12]
    folder = FOLDER / name
    interpreter = folder / "bin" / "python"
    done = folder / "installed"
    if not done.exists():
        print(f"Installing {', '.join(candidate.requirements)}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        _install(interpreter, candidate.requirements)
        done.touch()
    return interpreter


def _install(interpreter: Path, requirements: tuple[str, ...]) -> None:
    ours = ["--editable", str(ROOT)] if "." in requirements else []
    others = [requirement for requirement in requirements if requirement != "."]
    quiet = ["--disable-pip-version-check", "--quiet"]
    subprocess.run([interpreter, "-m", "pip", "install", *quiet, *ours, *others], check=True)


def version_of(candidate: Candidate) -> str:
    """The version of the candidate's product, or ''."""
    if not candidate.product:
        return ""
    code = f"from importlib.metadata import version; print(version({candidate.product!r}))"
    run = [str(python_of(candidate)), "-c", code]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()
