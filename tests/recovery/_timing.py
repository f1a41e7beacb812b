"""Time and chance under the test's control."""

from collections.abc import Callable

from spanledger.recovery import Timing
from spanledger.testing.clock import TickingClock


def timing(clock: TickingClock, chance: Callable[[], float] = lambda: 0.5) -> Timing:
    """Waiting lets the clock go on and takes no time."""
    return Timing(clock.monotonic, clock, clock.sleep, clock.sleep_async, chance)
