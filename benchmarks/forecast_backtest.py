"""How wrong forecasts are, against two that cost nothing: tomorrow is as today, and as a week ago.

    .venv/bin/python benchmarks/forecast_backtest.py [series of each kind, 20]

Series are synthetic and seeded: the same table on every machine. Each is an agent of its own whose
history ends yesterday; the truth of the days to come is kept here. The error of a series is what
its forecast is off in all of its days, as a part of what they truly cost.
"""

import math
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests._engines import ClickHouseServer

from spanledger.warehouse import Warehouse, connect, migrate

HORIZON_DAYS = 14
_WEEK = (1.0, 1.05, 1.1, 1.05, 0.95, 0.45, 0.35)
_COLUMNS = ("day", "service", "agent", "model", "calls", "input_tokens", "cost_usd", "built_at")

Shape = Callable[[random.Random, int, int], Sequence[float]]
"""A generator, days of history and days in all → the cost of each day, without noise."""


@dataclass(frozen=True, slots=True)
class Series:
    """One history, and what came after it."""

    kind: str
    name: str
    past: Sequence[float]
    truth: Sequence[float]


def _level(rng: random.Random) -> float:
    return 10 ** rng.uniform(-1, 3)


def _steady(rng: random.Random, _known: int, days: int) -> Sequence[float]:
    return [_level(rng)] * days


def _trend(rng: random.Random, _known: int, days: int) -> Sequence[float]:
    level, growth = _level(rng), rng.uniform(-0.01, 0.02)
    return [level * math.exp(growth * day) for day in range(days)]


def _weekly(rng: random.Random, _known: int, days: int) -> Sequence[float]:
    level = _level(rng)
    return [level * _WEEK[day % 7] for day in range(days)]


def _weekly_trend(rng: random.Random, known: int, days: int) -> Sequence[float]:
    trend = _trend(rng, known, days)
    return [amount * _WEEK[day % 7] for day, amount in enumerate(trend)]


def _launch(rng: random.Random, known: int, days: int) -> Sequence[float]:
    """For good twice to four times as much, from one to four weeks before the end on."""
    at, times = known - rng.randint(7, 28), rng.uniform(2, 4)
    week = _weekly(rng, known, days)
    return [amount * (times if day >= at else 1) for day, amount in enumerate(week)]


def _outage(rng: random.Random, known: int, days: int) -> Sequence[float]:
    """One to three days of nearly nothing, in the last two weeks."""
    at, length = known - rng.randint(3, 14), rng.randint(1, 3)
    week = _weekly(rng, known, days)
    return [amount * (0.02 if at <= day < at + length else 1) for day, amount in enumerate(week)]


def _spike(rng: random.Random, known: int, days: int) -> Sequence[float]:
    """One day of five to ten times as much, in the last two weeks."""
    at, times = known - rng.randint(1, 14), rng.uniform(5, 10)
    week = _weekly(rng, known, days)
    return [amount * (times if day == at else 1) for day, amount in enumerate(week)]


def _walk(rng: random.Random, _known: int, days: int) -> Sequence[float]:
    level, found = math.log(_level(rng)), []
    for _ in range(days):
        level += rng.gauss(0, 0.08)
        found.append(math.exp(level))
    return found


def _sparse(rng: random.Random, _known: int, days: int) -> Sequence[float]:
    """Nothing on two days of three."""
    level = _level(rng)
    return [level if rng.random() < 1 / 3 else 0.0 for _ in range(days)]


SHAPES: dict[str, tuple[Shape, int]] = {
    "steady": (_steady, 84),
    "trend": (_trend, 84),
    "weekly season": (_weekly, 84),
    "season and trend": (_weekly_trend, 84),
    "launch": (_launch, 84),
    "outage": (_outage, 84),
    "one bad day": (_spike, 84),
    "random walk": (_walk, 84),
    "sparse": (_sparse, 84),
    "new, 10 days": (_weekly, 10),
}


def series(each: int) -> Iterator[Series]:
    """`each` of every kind, with noise of 5 to 20 %."""
    for kind, (shape, known) in SHAPES.items():
        for number in range(each):
            rng = random.Random(f"{kind} {number}")
            noise = rng.uniform(0.05, 0.2)
            exact = shape(rng, known, known + HORIZON_DAYS)
            told = [amount * rng.lognormvariate(0, noise) for amount in exact]
            yield Series(kind, f"{kind} {number}", told[:known], told[known:])


def fill(warehouse: Warehouse, found: Sequence[Series], today: date) -> None:
    """Each history as the days of one agent, up to yesterday."""
    now = datetime.now(UTC)
    rows: list[list[object]] = []
    for one in found:
        first = today - timedelta(days=len(one.past))
        for number, amount in enumerate(one.past):
            cost = Decimal(amount).quantize(Decimal("1e-9"))
            day = first + timedelta(days=number)
            rows.append([day, "", one.name, "m", 1, 1, cost, now])
    warehouse.insert("calls_daily", _COLUMNS, rows)


@dataclass(frozen=True, slots=True)
class Errors:
    """Of one series: how much each forecast is off, as a part of the truth."""

    kind: str
    ours: float
    naive: float
    seasonal: float
    held: float
    """The part of its days that lay within the band."""


def errors_of(one: Series, points: Sequence[dict[str, float]]) -> Errors:
    expected = [point["expected"] for point in points]
    inside = [
        point["low"] <= amount <= point["high"]
        for point, amount in zip(points, one.truth, strict=True)
    ]
    days = range(HORIZON_DAYS)
    return Errors(
        one.kind,
        _off(expected, one.truth),
        _off([one.past[-1]] * HORIZON_DAYS, one.truth),
        _off([one.past[-7 + day % 7] for day in days], one.truth),
        sum(inside) / HORIZON_DAYS,
    )


def _off(forecast: Sequence[float], truth: Sequence[float]) -> float:
    wrong = sum(abs(told - true) for told, true in zip(forecast, truth, strict=True))
    return wrong / max(sum(truth), 1e-9)


def run(warehouse: Warehouse, each: int) -> list[Errors]:
    """All series, forecast at once."""
    found = list(series(each))
    today = datetime.now(UTC).date()
    fill(warehouse, found, today)
    rows = warehouse.query(
        "SELECT name, day, expected, low, high FROM forecast_daily "
        "WHERE scope = 'agent' AND metric = 'cost' AND day >= {today:Date} "
        "AND day < {today:Date} + {days:UInt8} ORDER BY name, day",
        today=today,
        days=HORIZON_DAYS,
    )
    by_name: dict[str, list[dict[str, float]]] = {}
    for row in rows:
        by_name.setdefault(row["name"], []).append(row)
    return [errors_of(one, by_name[one.name]) for one in found]


def table(found: Sequence[Errors]) -> str:
    """Medians by kind, as Markdown."""
    lines = [
        f"| series | forecast | as today | as a week ago | within the band (80 % wanted) |\n"
        f"|{' --- |' * 5}"
    ]
    for kind in [*SHAPES, "all"]:
        some = [one for one in found if kind in (one.kind, "all")]
        ours, naive, seasonal = (
            statistics.median(getattr(one, name) for one in some)
            for name in ("ours", "naive", "seasonal")
        )
        worse = "" if ours <= min(naive, seasonal) else " (worse)"
        held = statistics.fmean(one.held for one in some)
        lines.append(f"| {kind} | {ours:.1%}{worse} | {naive:.1%} | {seasonal:.1%} | {held:.0%} |")
    return "\n".join(lines)


def main() -> None:
    each = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder:
        server = ClickHouseServer(Path(folder)).start()
        try:
            with connect(server.url("backtest")) as warehouse:
                migrate(warehouse)
                print(table(run(warehouse, each)))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
