"""The lines of source around a failure."""

import linecache
import os
from functools import lru_cache

from spanledger.processors.errors.frames import Site
from spanledger.track.plain import Redact, cut_text

_BEFORE, _AFTER = 4, 3
_LINE_CHARS = 160
#: Reading a larger file would take longer than an error may.
_LARGEST_FILE = 512 * 1024


def source_around(site: Site, redact: Redact) -> list[str]:
    """The lines around `site`, numbered, with ``>`` before the one that failed.

    Empty if there is no source: code from a text, a file that is gone.
    """
    filename = site.code.co_filename
    if not _readable(filename):
        return []
    # Code from archives and notebooks: its loader has the source, not the disk.
    linecache.lazycache(filename, site.frame.f_globals)
    lines = linecache.getlines(filename)
    first = max(1, site.line - _BEFORE)
    chosen = lines[first - 1 : site.line + _AFTER]
    return [
        f"{'>' if number == site.line else ' '} {number:4} {cut_text(line, redact, _LINE_CHARS)}"
        for number, line in enumerate((line.rstrip() for line in chosen), first)
    ]


@lru_cache(maxsize=1024)
def _readable(filename: str) -> bool:
    """Whether a file is small enough. What is no file may be known to a loader."""
    try:
        return os.stat(filename).st_size <= _LARGEST_FILE
    except OSError:
        return True
