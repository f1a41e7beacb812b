"""The sizing page holds what its programs print, and the simulation bears the arithmetic out."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import sizing
from benchmarks.simulation import MOST_PARTS, QUERIES, Day, fullest_disk, simulate
from benchmarks.sizing import Need

_REPOSITORY = Path(__file__).parents[2]
_PAGE = (_REPOSITORY / "docs" / "sizing.md").read_text()
steps = pytest.mark.parametrize("need", [Need(10.0**power) for power in range(6, 11)])


@pytest.mark.parametrize("program", ["sizing.py", "simulation.py"])
def test_the_tables_of_the_sizing_page_are_what_the_programs_print(program: str) -> None:
    command = [Path(sys.executable), _REPOSITORY / "benchmarks" / program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for table in done.stdout.strip().split("\n\n"):
        assert table in _PAGE


@steps
def test_every_step_names_what_is_short_first(need: Need) -> None:
    assert need.bottleneck.split(",")[0] in need.machines
    assert max(need.machines.values()) <= need.shards


@steps
def test_an_hour_s_outage_at_the_peak_is_made_up_for(need: Need) -> None:
    day = simulate(need)
    waited_gb = day.most_queue * sizing.QUEUE_BYTES / 1e9
    assert waited_gb == pytest.approx(need.queue_gb_per_hour, rel=0.02)
    assert not math.isinf(day.all_in_at_s)
    assert day.most_parts < MOST_PARTS / 2
    assert_nothing_is_lost(day)


@steps
def test_cores_and_disks_are_used_as_far_as_the_arithmetic_says(need: Need) -> None:
    quiet = simulate(need, outage_s=0)
    assert quiet.busy_share <= sizing.USE + 0.03
    assert quiet.merges <= sizing.MERGES + 0.05
    assert fullest_disk(need) == pytest.approx(sizing.USE, abs=0.02)
    assert_nothing_is_lost(quiet)


def assert_nothing_is_lost(day: Day) -> None:
    assert day.arrived == pytest.approx(day.need.spans_per_day)
    assert day.stored + day.queue == pytest.approx(day.arrived)
    assert sum(day.parts.rows) * day.need.shards == pytest.approx(day.stored)


def test_with_too_few_cores_the_queue_only_grows() -> None:
    """Or else the simulation would bear anything out."""
    need = Need(1e10)
    day = simulate(need, cores=need.clickhouse_cores / 8)
    assert math.isinf(day.all_in_at_s)
    assert day.queue > need.spans_per_day / 10
    assert_nothing_is_lost(day)


def test_an_outage_twice_as_long_takes_longer_to_make_up_for() -> None:
    hour, two = (simulate(Need(1e9), outage_s=hours * 3600) for hours in (1, 2))
    assert two.all_in_at_s > hour.all_in_at_s
    assert two.most_queue == pytest.approx(2 * hour.most_queue)


def test_many_small_gateways_fill_a_clickhouse_that_one_leaves_free() -> None:
    share = {
        number: simulate(Need(1e8), outage_s=0, gateways=number).busy_share for number in (1, 2, 5)
    }
    assert share[1] == pytest.approx(1 / 3, abs=0.03)
    assert share[2] == pytest.approx(1 / 2, abs=0.03)
    assert share[5] == pytest.approx(1 - QUERIES, abs=0.03)
