"""How often a full context may be collected: a program that fails in a tight loop goes on. Pure."""


class Pace:
    """`burst` at once, then `per_s` a second. Not thread-safe: a race collects one more."""

    def __init__(self, burst: float = 50.0, per_s: float = 10.0) -> None:
        self._burst, self._per_s = burst, per_s
        self._left = burst
        self._seen_s: float | None = None

    def allows(self, now_s: float) -> bool:
        """Whether one more is allowed at `now_s` (a monotonic clock); counts it if so."""
        passed_s = 0.0 if self._seen_s is None else max(0.0, now_s - self._seen_s)
        left = min(self._burst, self._left + passed_s * self._per_s)
        self._seen_s = now_s
        self._left = left - 1 if left >= 1 else left
        return left >= 1
