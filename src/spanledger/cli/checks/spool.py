"""What waits on the disk to be sent, and who would send it."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from spanledger.cli._format import show_duration
from spanledger.cli.checks._result import Result, fail, ok, warn
from spanledger.config import ConfigError, default_data_dir, find_file, load_settings, read_document
from spanledger.processors import SpoolState, spool_state

_OLD_S = 300
_NEARLY_FULL = 0.8


def check(environ: Mapping[str, str], now_s: float | None = None) -> list[Result]:
    """Whether the spool can be written, is nearly full, or holds what nobody sends."""
    try:
        settings = load_settings(read_document(find_file(environ, Path.cwd())), environ=environ)
    except ConfigError:
        return []  # the policy check says so
    export = settings.export
    if not export.spool:
        return [ok("spool", "It is off: what can't be sent waits in memory and ends with it.")]
    folder = export.spool_dir or (settings.warehouse.data_dir or default_data_dir()) / "spool"
    if problem := _unwritable(folder):
        return [
            fail(
                "spool",
                f"{folder} can't be written ({problem}): what can't be sent at once may be lost.",
                "Give the folder to the user who runs the agent, or set SPANLEDGER_SPOOL_DIR.",
            )
        ]
    now = time.time() if now_s is None else now_s
    return _found(folder, spool_state(folder), export.spool_max_mb << 20, now)


def _unwritable(folder: Path) -> str:
    """Why nothing can be made there; the nearest folder that is there decides."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir():
        return f"{place} is no folder"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"{place} belongs to others"


def _found(folder: Path, state: SpoolState, most_bytes: int, now_s: float) -> list[Result]:
    found = []
    age_s = 0.0 if state.oldest_s is None else max(0.0, now_s - state.oldest_s)
    waiting = f"{state.items:,} spans and records in {folder}"
    if state.bytes > most_bytes * _NEARLY_FULL:
        found.append(
            warn(
                "spool size",
                f"{folder} takes {state.bytes >> 20} MB of {most_bytes >> 20}: then the oldest go.",
                "Let the collector take them, or raise SPANLEDGER_SPOOL_MAX_MB.",
            )
        )
    if state.items and state.orphans:
        found.append(
            warn(
                "spool",
                f"{waiting}, part of it left by processes that ended ({state.orphans}); "
                f"the oldest waits for {show_duration(age_s)}.",
                "Once the collector takes them, the next agent that sends to the same endpoint "
                "with the same headers sends them too.",
            )
        )
    elif state.items and age_s > _OLD_S:
        found.append(
            warn(
                "spool",
                f"{waiting} are not sent, the oldest for {show_duration(age_s)}.",
                "Look at the collector: it does not take what running agents send.",
            )
        )
    calm = f"{waiting}." if state.items else f"Nothing waits in {folder}."
    return found or [ok("spool", calm)]
