"""Repair after a crash, before the engine opens its files.

A MergeTree table notes an insert in its deduplication log before it commits the insert's part.
Killed in between, the engine remembers a block that it never stored: the sender's retry would
be taken for a repetition, acknowledged and lost. So whatever the log claims without a part
that holds it is forgotten, and the retry is stored.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_PART: Final = re.compile(r"(?P<partition>[^_]+)_(?P<first>\d+)_(?P<last>\d+)_\d+(?:_\d+)?")
_LOGS: Final = "store/*/*/deduplication_logs/deduplication_log_*.txt"

Blocks = tuple[str, int, int]
"""Partition, first and last block number of a part."""


def forget_uncommitted(engine_dir: Path) -> int:
    """Take claims without a part out of every deduplication log; return how many there were."""
    forgotten = 0
    for log in engine_dir.glob(_LOGS):
        lines = log.read_text(errors="replace").splitlines(keepends=True)
        table = log.parent.parent
        kept = backed_lines(lines, (path.name for path in table.iterdir() if path.is_dir()))
        if len(kept) < len(lines):
            forgotten += len(lines) - len(kept)
            _replace(log, "".join(kept))
    return forgotten


def backed_lines(lines: Iterable[str], parts: Iterable[str]) -> list[str]:
    """The *lines* of a deduplication log whose part is among *parts* or merged into one.

    A line is ``operation, part, block id`` between tabs; one that is not whole is dropped.
    """
    stored = [blocks for name in parts if (blocks := part_blocks(name))]
    return [line for line in lines if _is_backed(line, stored)]


def part_blocks(name: str) -> Blocks | None:
    """What the part called *name* holds; None if that is not the name of a committed part."""
    match = _PART.fullmatch(name)
    if match is None or name.startswith("tmp"):
        return None
    return match["partition"], int(match["first"]), int(match["last"])


def _is_backed(line: str, stored: list[Blocks]) -> bool:
    fields = line.rstrip("\n").split("\t")
    claimed = part_blocks(fields[1]) if len(fields) == 3 and line.endswith("\n") else None
    if claimed is None:
        return False
    return any(
        partition == claimed[0] and first <= claimed[1] and claimed[2] <= last
        for partition, first, last in stored
    )


def _replace(log: Path, text: str) -> None:
    # Not a name that the engine would take for one of its logs.
    scratch = log.with_name("repaired.tmp")
    scratch.write_text(text)
    scratch.replace(log)
