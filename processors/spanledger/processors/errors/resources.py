"""What the process uses at this moment: memory, CPU, files, threads; how late its event loop is."""

import asyncio
from itertools import islice
from typing import Any

from spanledger.health.usage import Usage

_TIMERS = 64


def resources(now: Usage | None, before: Usage | None) -> dict[str, Any]:
    """A reading as plain values, with what has changed since the one before."""
    found: dict[str, Any] = {}
    if now is not None:
        found = {name: _rounded(v) for name, v in now._asdict().items() if v is not None}
        if before is not None:
            found["since_session_began"] = _change(now, before)
    return found | _event_loop()


def _change(now: Usage, before: Usage) -> dict[str, Any]:
    pairs = zip(now._fields, now, before, strict=True)
    return {n: _rounded(a - b) for n, a, b in pairs if a is not None and b is not None}


def _rounded(value: float) -> float:
    return round(value, 4) if isinstance(value, float) else value


def _event_loop() -> dict[str, Any]:
    """How long the oldest timer of the running loop is overdue, and how many callbacks wait.

    Read from the loop, never measured by timers of ours: those would be the host's to trip over.
    Loops that are not asyncio's own (uvloop) don't tell.
    """
    try:
        loop: Any = asyncio.get_running_loop()
        # A heap: the one that is due first stands first, or, if cancelled ones are left, nearby.
        timers = islice(loop._scheduled, _TIMERS)
        due = min((t._when for t in timers if not t._cancelled), default=None)
        lag_s = 0.0 if due is None else max(0.0, loop.time() - due)
        return {"event_loop": {"lag_s": round(lag_s, 4), "waiting": len(loop._ready)}}
    except (RuntimeError, AttributeError):
        return {}
