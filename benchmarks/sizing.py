"""The tables of docs/sizing.md: what so many spans a day need. Arithmetic, nothing is measured.

    .venv/bin/python benchmarks/sizing.py

The constants are what benchmarks/pipeline.py printed, rounded up. Put your own in;
benchmarks/simulation.py then says whether a day with an outage goes well with the result.
"""

import math
from dataclasses import dataclass

COLLECTOR_US = 35.0
"""CPU of the first tier for a span, with its queue on disk."""
GATEWAY_US = 24.0
CLICKHOUSE_US = 31.0
"""CPU of an insert with all its views, in batches of 8192."""
INSERT_MS = 90.0
"""CPU of an insert with all its views, if there is one span in it."""
MERGE_US = 6.0
"""CPU of merging a span once, in all its tables."""
MERGES = 2.0
"""Merging a part again and again costs about as much CPU as writing it did."""
LANDING_BYTES = 54.0
"""otel_traces and its look-up by trace, for a span without content."""
TYPED_BYTES = 42.0
"""llm_calls and agent_steps, for each span that landed."""
QUEUE_BYTES = 508.0
PEAK = 3.0
"""The busiest minute against the day's mean."""
USE = 0.5
"""Of a core or a disk: the rest is for queries, merges that pile up, and a replica that is away."""
SHARD_CORES, SHARD_TB, SHARD_MB_S = 16, 20.0, 500.0
"""The largest single machine that one likes to run, and what its disk writes in a second."""


@dataclass(frozen=True)
class Need:
    """What so many spans a day take, at their peak."""

    spans_per_day: float
    landing_days: int = 30
    typed_days: int = 365
    """On the disks of ClickHouse: what is older is gone, or in object storage."""

    @property
    def peak_per_s(self) -> float:
        return self.spans_per_day / 86_400 * PEAK

    @property
    def collector_cores(self) -> float:
        return self.peak_per_s * COLLECTOR_US / 1e6 / USE

    @property
    def gateway_cores(self) -> float:
        return self.peak_per_s * GATEWAY_US / 1e6 / USE

    @property
    def clickhouse_cores(self) -> float:
        return self.peak_per_s * CLICKHOUSE_US * MERGES / 1e6 / USE

    @property
    def disk_tb(self) -> float:
        kept = LANDING_BYTES * self.landing_days + TYPED_BYTES * self.typed_days
        return self.spans_per_day * kept / 1e12 / USE

    @property
    def written_mb_per_s(self) -> float:
        """Written once when it comes in, and again by each of some five merges."""
        return self.peak_per_s * (LANDING_BYTES + TYPED_BYTES) * 6 / 1e6 / USE

    @property
    def queue_gb_per_hour(self) -> float:
        return self.peak_per_s * 3600 * QUEUE_BYTES / 1e9

    @property
    def machines(self) -> dict[str, float]:
        """How many of the largest machines each of their parts asks for."""
        return {
            "disk space": self.disk_tb / SHARD_TB,
            "CPU": self.clickhouse_cores / SHARD_CORES,
            "disk writes": self.written_mb_per_s / SHARD_MB_S,
        }

    @property
    def shards(self) -> int:
        return math.ceil(max(self.machines.values()))

    @property
    def bottleneck(self) -> str:
        """What of ClickHouse's machines is short first, and how much of it is taken."""
        name, machines = max(self.machines.items(), key=lambda item: item[1])
        share = machines / self.shards
        return f"{name}, {share:.0%} taken" if share >= 0.01 else f"{name}, below 1 %"


def table() -> str:
    """In Markdown, one row for each power of ten."""
    head = (
        "| spans a day | at the peak | first tier | gateways | ClickHouse | disk, one copy "
        "| an hour's outage | shards | short first |\n" + "|---" * 9 + "|"
    )
    return "\n".join([head, *(_row(Need(10.0**power)) for power in range(6, 11))])


def table_of_tiers() -> str:
    """The same for whoever keeps older days in object storage: a week of landing, a month typed."""
    head = "| spans a day | disk, one copy | shards | short first |\n" + "|---" * 4 + "|"
    needs = (Need(10.0**power, landing_days=7, typed_days=30) for power in range(8, 11))
    rows = (
        f"| {_spans(need)} | {_tb(need)} | {need.shards} | {need.bottleneck} |" for need in needs
    )
    return "\n".join([head, *rows])


def _row(need: Need) -> str:
    cells = (
        _spans(need),
        f"{need.peak_per_s:,.0f}/s",
        _cores(need.collector_cores),
        _cores(need.gateway_cores),
        _cores(need.clickhouse_cores),
        _tb(need),
        f"{need.queue_gb_per_hour:,.1f} GB",
        str(need.shards),
        need.bottleneck,
    )
    return f"| {' | '.join(cells)} |"


def _spans(need: Need) -> str:
    return f"{need.spans_per_day / 1e6:,.0f} million"


def _tb(need: Need) -> str:
    return f"{need.disk_tb:,.2f} TB" if need.disk_tb < 10 else f"{need.disk_tb:,.0f} TB"


def _cores(cores: float) -> str:
    whole = math.ceil(cores)
    return f"{whole} core" if whole == 1 else f"{whole} cores"


if __name__ == "__main__":
    print(table())
    print()
    print(table_of_tiers())
