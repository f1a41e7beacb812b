"""Where Spanledger keeps its files."""

import os
from collections.abc import Mapping
from pathlib import Path


def default_data_dir(environ: Mapping[str, str] | None = None) -> Path:
    """``$SPANLEDGER_DATA_DIR``, else ``spanledger`` below the XDG data directory."""
    environ = os.environ if environ is None else environ
    if named := environ.get("SPANLEDGER_DATA_DIR"):
        return Path(named).expanduser().absolute()
    base = environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "spanledger"
