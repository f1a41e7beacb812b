"""The clock that waits are measured by."""

import time
from collections.abc import Callable


def monotonic(_read: Callable[[], float] = time.monotonic) -> float:
    """`time.monotonic` as it was when this was loaded, in seconds.

    Libraries that freeze time for tests put a clock that stands still under that name in every
    module. A wait that is measured by such a clock has no end.
    """
    return _read()
