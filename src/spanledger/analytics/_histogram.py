"""Latency out of the histograms of the roll-ups. Pure.

A bucket's key is floor(log2(µs) × 8): each is 9 % wider than the one before.
"""

from collections.abc import Mapping

_PARTS = 8


def percentile_s(histogram: Mapping[int, int], share: float) -> float | None:
    """The duration that `share` of all calls stay below, in seconds; None without calls.

    The middle of its bucket: at most 4.5 % off.
    """
    total = sum(histogram.values())
    if not total:
        return None
    wanted, seen = share * total, 0
    key = 0
    for key in sorted(histogram):
        seen += histogram[key]
        if seen >= wanted:
            break
    return float(2 ** ((key + 0.5) / _PARTS) / 1e6)
