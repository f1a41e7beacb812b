"""The frames of a traceback, and which of them are the application's.

Reads frames and keeps none: what is returned lives as long as the traceback does anyway.
"""

import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

#: A traceback of a recursion may have a thousand entries, or, with a raised limit, a million.
_MOST_ENTRIES = 20_000
_MOST_LEVELS, _MOST_CALLERS = 1000, 12
_LIBRARIES = ("site-packages", "dist-packages")
_OURS = "spanledger."


class Site(NamedTuple):
    """One place that an exception went through. Holds its frame: not to be kept."""

    frame: FrameType
    line: int
    repeated: int = 1
    """How many times in a row the same line of the same function came (a recursion)."""

    @property
    def code(self) -> CodeType:
        return self.frame.f_code

    @property
    def module(self) -> str:
        name = self.frame.f_globals.get("__name__")
        return name if isinstance(name, str) else "?"

    @property
    def is_application(self) -> bool:
        return is_application(self.code.co_filename) and not self.module.startswith(_OURS)

    def place(self, folder: str) -> str:
        """``agent/tools.py:12 in search``, below `folder` without it."""
        return f"{short(self.code.co_filename, folder)}:{self.line} in {self.code.co_qualname}"


def sites_of(traceback: TracebackType | None) -> list[Site]:
    """The places from where it was caught down to where it was raised."""
    sites: list[Site] = []
    for entry in islice(_entries(traceback), _MOST_ENTRIES):
        last = sites[-1] if sites else None
        frame, line = entry.tb_frame, entry.tb_lineno
        if last is not None and last.line == line and last.code is frame.f_code:
            # The innermost call of a recursion is the one that failed: its frame is kept.
            sites[-1] = Site(frame, line, last.repeated + 1)
        else:
            sites.append(Site(frame, line))
    return sites


def callers() -> list[Site]:
    """The application's places on the stack of this thread, the outermost first."""
    found: list[Site] = []
    frame: FrameType | None = sys._getframe(1)
    for _ in range(_MOST_LEVELS):
        if frame is None or len(found) == _MOST_CALLERS:
            break
        site = Site(frame, frame.f_lineno)
        if site.is_application:
            found.append(site)
        frame = frame.f_back
    return found[::-1]


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


@lru_cache(maxsize=4096)
def is_application(filename: str) -> bool:
    """Whether a file is the user's own: neither an installed package nor the standard library."""
    if filename.startswith("<frozen "):
        return False
    path = filename.replace("\\", "/")
    if any(f"/{name}/" in path for name in _LIBRARIES):
        return False
    return not filename.startswith(_standard_library())


@lru_cache(maxsize=1)
def _standard_library() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({paths["stdlib"], paths["platstdlib"]})


def short(filename: str, folder: str) -> str:
    """A path below `folder` without it; another one as it is."""
    inside = folder.rstrip("/\\")
    if inside and filename.startswith((inside + "/", inside + "\\")):
        return filename[len(inside) + 1 :]
    return filename
