"""The table of docs/sizing.md: what a number of spans a day needs. Arithmetic, nothing is measured.

    .venv/bin/python benchmarks/sizing.py

The constants are what benchmarks/pipeline.py printed, rounded up. Put your own in.
"""

import math
from dataclasses import dataclass

COLLECTOR_US = 28.0
"""CPU of the first tier for a span, with its queue on disk."""
GATEWAY_US = 20.0
CLICKHOUSE_US = 24.0
"""CPU of an insert with all its views, in large batches."""
MERGES = 2.0
"""Merging a part again and again costs about as much CPU as writing it did."""
LANDING_BYTES = 55.0
"""otel_traces and its look-up by trace, for a span without content."""
TYPED_BYTES = 47.0
"""llm_calls and tool_calls, for each span that landed."""
QUEUE_BYTES = 464.0
PEAK = 3.0
"""The busiest minute against the day's mean."""
USE = 0.5
"""Of a core or a disk: the rest is for queries, merges that pile up, and a replica that is away."""
LANDING_DAYS, TYPED_DAYS = 30, 365
SHARD_CORES, SHARD_TB = 16, 20.0
"""The largest single machine that one likes to run."""


@dataclass(frozen=True)
class Need:
    """What so many spans a day take, at their peak."""

    spans_per_day: float

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
        kept = LANDING_BYTES * LANDING_DAYS + TYPED_BYTES * TYPED_DAYS
        return self.spans_per_day * kept / 1e12 / USE

    @property
    def queue_gb_per_hour(self) -> float:
        return self.peak_per_s * 3600 * QUEUE_BYTES / 1e9

    @property
    def shards(self) -> int:
        return max(
            math.ceil(self.clickhouse_cores / SHARD_CORES), math.ceil(self.disk_tb / SHARD_TB), 1
        )

    @property
    def bottleneck(self) -> str:
        """What is short first when the number grows tenfold."""
        if self.shards > 1:
            return (
                "disk" if self.disk_tb / SHARD_TB > self.clickhouse_cores / SHARD_CORES else "CPU"
            )
        return "nothing" if self.disk_tb < SHARD_TB / 10 else "disk of one machine"


def table() -> str:
    """In Markdown, one row for each power of ten."""
    head = (
        "| spans a day | at the peak | first tier | gateways | ClickHouse | disk, one copy "
        "| an hour's outage | shards | short first |\n" + "|---" * 9 + "|"
    )
    return "\n".join([head, *(_row(Need(10.0**power)) for power in range(6, 11))])


def _row(need: Need) -> str:
    cells = (
        f"{need.spans_per_day / 1e6:,.0f} million",
        f"{need.peak_per_s:,.0f}/s",
        _cores(need.collector_cores),
        _cores(need.gateway_cores),
        _cores(need.clickhouse_cores),
        f"{need.disk_tb:,.2f} TB" if need.disk_tb < 10 else f"{need.disk_tb:,.0f} TB",
        f"{need.queue_gb_per_hour:,.1f} GB",
        str(need.shards),
        need.bottleneck,
    )
    return f"| {' | '.join(cells)} |"


def _cores(cores: float) -> str:
    whole = math.ceil(cores)
    return f"{whole} core" if whole == 1 else f"{whole} cores"


if __name__ == "__main__":
    print(table())
