"""Does what docs/sizing.md calculates hold for a day on which ClickHouse is away for an hour?

    .venv/bin/python benchmarks/simulation.py

A day in steps of ten seconds: spans come in, wait on the first tier's disk, are inserted in the
batches that `gateway.yaml` makes, and parts are merged with the CPU that is left. Then a year in
steps of a day for the disk. One shard stands for all. Constants are those of benchmarks/sizing.py.
"""

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import sizing
from benchmarks.sizing import Need

STEP_S = 10
DAY_S = 86_400
BUSY_FROM_S, BUSY_S = 10 * 3600, 4 * 3600
"""Hours at the peak; the rest of the day is such that the mean is right."""
QUERIES = 0.25
"""Of ClickHouse's CPU: dashboards read during an outage's end as well."""
FLUSH_S, BATCH_ROWS = 0.5, 8192
"""`gateway.yaml`: an insert is made of so many spans, or of what half a second brought."""
GATEWAY_CORES = 4
"""Of one gateway: few, large."""
FAN_IN = 10
"""Parts that one merge makes one of."""
MOST_PARTS = 1000
"""Of a table's day: from here on ClickHouse slows inserts down (`parts_to_delay_insert`)."""


def arriving_per_s(need: Need, at_s: float) -> float:
    """Spans a second at that time of the day."""
    mean = need.spans_per_day / DAY_S
    if BUSY_FROM_S <= at_s < BUSY_FROM_S + BUSY_S:
        return mean * sizing.PEAK
    return mean * (DAY_S - sizing.PEAK * BUSY_S) / (DAY_S - BUSY_S)


@dataclass
class Parts:
    """A table's parts of one day on one shard, by how often their rows were merged."""

    count: list[int] = field(default_factory=lambda: [0] * 12)
    rows: list[float] = field(default_factory=lambda: [0.0] * 12)
    merged_rows: float = 0.0
    _saved_us: float = 0.0

    def insert(self, inserts: int, rows: float) -> None:
        self.count[0] += inserts
        self.rows[0] += rows

    def merge(self, budget_us: float) -> float:
        """Merge for so much CPU; what of it was used. A merge that it is not enough for goes on
        in the next step."""
        left_us = budget_us + self._saved_us
        for level in range(len(self.count) - 1):
            while self.count[level] >= FAN_IN:
                rows = self.rows[level] / self.count[level] * FAN_IN
                if rows * sizing.MERGE_US > left_us:
                    self._saved_us = left_us
                    return budget_us
                left_us -= rows * sizing.MERGE_US
                self._moved(level, rows)
        self._saved_us = 0.0
        return max(0.0, budget_us - left_us)

    def _moved(self, level: int, rows: float) -> None:
        self.count[level] -= FAN_IN
        self.rows[level] -= rows
        self.count[level + 1] += 1
        self.rows[level + 1] += rows
        self.merged_rows += rows


@dataclass
class Day:
    """What was seen on one day."""

    need: Need
    arrived: float = 0.0
    stored: float = 0.0
    queue: float = 0.0
    """Spans that wait."""
    most_queue: float = 0.0
    most_parts: int = 0
    inserts: float = 0.0
    insert_us: float = 0.0
    merge_us: float = 0.0
    busy_us: float = 0.0
    """CPU of ClickHouse for writing in the busy hours."""
    all_in_at_s: float = math.inf
    parts: Parts = field(default_factory=Parts)

    @property
    def busy_share(self) -> float:
        """Of the cores that the arithmetic gives to ClickHouse, what writes in the busy hours."""
        return self.busy_us / 1e6 / BUSY_S / math.ceil(self.need.clickhouse_cores)

    @property
    def merges(self) -> float:
        """CPU of inserts and merges against that of inserts."""
        return (self.insert_us + self.merge_us) / self.insert_us


def simulate(
    need: Need, *, outage_s: int = 3600, gateways: int | None = None, cores: float | None = None
) -> Day:
    """A day on which ClickHouse goes away when the busy hours begin.

    Args:
        need: How many spans, and what the arithmetic gives them.
        outage_s: For how long.
        gateways: How many insert. None: as few as have the cores.
        cores: Of ClickHouse, all shards. None: what the arithmetic says.
    """
    day = Day(need)
    gateways = gateways or math.ceil(need.gateway_cores / GATEWAY_CORES)
    cores = cores or math.ceil(need.clickhouse_cores)
    for at_s in range(0, DAY_S, STEP_S):
        is_away = BUSY_FROM_S <= at_s < BUSY_FROM_S + outage_s
        _step(day, at_s, 0.0 if is_away else cores, gateways)
        if is_away:
            day.all_in_at_s = math.inf
        elif day.queue < 1 and math.isinf(day.all_in_at_s):
            day.all_in_at_s = at_s
    return day


def _step(day: Day, at_s: float, cores: float, gateways: int) -> None:
    arrived = arriving_per_s(day.need, at_s) * STEP_S
    day.arrived += arrived
    day.queue += arrived
    shards = day.need.shards
    budget_us = cores / shards * (1 - QUERIES) * STEP_S * 1e6
    # Merges go on beside the inserts, in threads of their own.
    merge_us = day.parts.merge(budget_us / 2)
    rows, inserts = _inserted(day, gateways, budget_us - merge_us)
    insert_us = _insert_us(rows, inserts)
    day.parts.insert(inserts, rows)
    day.queue -= rows * shards
    day.stored += rows * shards
    day.inserts += inserts * shards
    day.insert_us += insert_us * shards
    day.merge_us += merge_us * shards
    day.most_queue = max(day.most_queue, day.queue)
    day.most_parts = max(day.most_parts, sum(day.parts.count))
    if BUSY_FROM_S <= at_s < BUSY_FROM_S + BUSY_S:
        day.busy_us += (insert_us + merge_us) * shards


def _inserted(day: Day, gateways: int, budget_us: float) -> tuple[float, int]:
    """Rows and inserts of one shard in a step: what waits, as far as CPU and parts allow."""
    if not budget_us or sum(day.parts.count) >= MOST_PARTS:
        return 0.0, 0
    waiting = day.queue / day.need.shards
    flushes = gateways * STEP_S / FLUSH_S / day.need.shards
    inserts = max(waiting / BATCH_ROWS, min(flushes, waiting))
    needed_us = _insert_us(waiting, inserts)
    share = min(1.0, budget_us / needed_us) if needed_us else 0.0
    return waiting * share, math.ceil(inserts * share)


def _insert_us(rows: float, inserts: float) -> float:
    """CPU of so many inserts: a part for each of them, and a part for each row."""
    of_a_row = sizing.CLICKHOUSE_US - sizing.INSERT_MS * 1e3 / BATCH_ROWS
    return rows * of_a_row + inserts * sizing.INSERT_MS * 1e3


def fullest_disk(need: Need, days: int = 400) -> float:
    """Of the disk that the arithmetic gives, what is used when it is fullest.

    Whole days go, a day after their time; the newest is there twice while it is merged.
    """
    landed: list[float] = []
    fullest = 0.0
    for _ in range(days):
        landed.append(need.spans_per_day)
        kept = sum(landed[-need.landing_days - 1 :]) * sizing.LANDING_BYTES
        kept += sum(landed[-need.typed_days - 1 :]) * sizing.TYPED_BYTES
        merging = need.spans_per_day * (sizing.LANDING_BYTES + sizing.TYPED_BYTES)
        fullest = max(fullest, (kept + merging) / 1e12)
    return fullest / need.disk_tb


def table() -> str:
    """In Markdown, one row for each power of ten."""
    head = (
        "| spans a day | the queue at its largest | all in, after the outage | parts of a day "
        "| rows an insert | CPU that writes, busy hours | inserts and merges ÷ inserts "
        "| disk at its fullest |\n" + "|---" * 8 + "|"
    )
    return "\n".join([head, *(_row(Need(10.0**power)) for power in range(6, 11))])


def _row(need: Need) -> str:
    day, quiet = simulate(need), simulate(need, outage_s=0)
    after_min = (day.all_in_at_s - BUSY_FROM_S - 3600) / 60
    cells = (
        f"{need.spans_per_day / 1e6:,.0f} million",
        f"{day.most_queue * sizing.QUEUE_BYTES / 1e9:,.1f} GB",
        f"{after_min:,.0f} min" if after_min >= 1 else "at once",
        f"{day.most_parts}",
        f"{quiet.stored / quiet.inserts:,.0f}",
        f"{quiet.busy_share:.0%}",
        f"{quiet.merges:.1f}",
        f"{fullest_disk(need):.0%}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(table())
