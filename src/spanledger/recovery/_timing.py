"""Clocks, sleep and chance, all in one place, so that a test can bring its own."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Timing(NamedTuple):
    """What `retry` knows of time. The defaults are the real ones."""

    monotonic: Callable[[], float] = time.monotonic
    """Seconds, for the deadline."""
    wall: Callable[[], float] = time.time
    """Seconds since the epoch, for dates in headers."""
    sleep: Callable[[float], object] = time.sleep
    sleep_async: Callable[[float], Awaitable[object]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    """A number in [0, 1)."""
