"""The frame of the micro-benchmarks: what it makes of figures, and that every part can be run."""

import json
import subprocess
import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from benchmarks.micro import page, rounds
from benchmarks.micro.case import Case, cpu, percentile
from benchmarks.micro.plan import PARTS, chosen
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
#: These start servers, processes or a hundred thousand users; `make bench-micro` runs them.
LARGE = {"stores", "users", "agent_call", "start"}


def _result(
    median: float, target: float, *, required: bool = True, part: str = "guard"
) -> rounds.Result:
    return rounds.Result(
        part, f"of {median}", median, median, median, target, "µs", required, "CPU", 9
    )


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values_and_that_share_is_not_above_it(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)


def test_every_case_is_warmed_then_measured_in_turn() -> None:
    asked: list[str] = []

    def noting(name: str, figure: float) -> Case:
        def figured() -> float:
            asked.append(name)
            return figure

        return Case(name, figured, 5)

    results = rounds.measure("guard", [noting("a", 4.0), noting("b", 6.0)], 3)

    assert asked == ["a", "b"] * 4
    assert [(r.name, r.median, r.met, r.rounds) for r in results] == [
        ("a", 4.0, True, 3),
        ("b", 6.0, False, 3),
    ]


def test_a_case_that_takes_long_has_fewer_rounds_and_no_warming() -> None:
    figures = iter([9.0, 1.0, 5.0])
    [result] = rounds.measure("guard", [Case("a", lambda: next(figures), 5, most_rounds=3)], 9)

    assert (result.low, result.median, result.high, result.rounds) == (3.0, 5.0, 7.0, 3)


def test_a_round_measures_the_callers_cpu_in_the_cases_own_unit() -> None:
    def work() -> int:
        return sum(range(20_000))

    in_us, in_ms = cpu("a", work, 1).figure(), cpu("b", work, 1, unit="ms").figure()
    a_tenth = cpu("c", work, 1, per=10).figure()

    assert in_us / 3000 < in_ms < in_us / 300
    assert in_us / 30 < a_tenth < in_us / 3


def test_what_is_missed_is_named_with_its_figure_and_its_target() -> None:
    text = page.summary([_result(4, 5), _result(6, 5, required=False)])

    assert text == "1 of 2 targets met. Missed: Guard, of 6: 6.00 µs, target 5 *."


def test_the_page_holds_every_figure_once_and_says_what_is_missed() -> None:
    results = [_result(4, 5), _result(1234.5, 1000), _result(12.3, 20, part="mcp")]
    about: dict[str, Any] = {"date": "2026-01-01", "machine": "a desk", "rounds": 9, "load": 1.5}
    about |= {"versions": {"redis": "1"}}

    text = page.made(about, results)

    assert "<!--" not in text
    assert "a desk; up to 9 rounds, a load of 1.5 in" in text
    assert "| of 1234.5 | 1,234 | 1,234 … 1,234 | 1,000 | µs | CPU | ✗ |" in text
    assert "- Guard, of 1234.5: 1,234 µs, target 1,000" in text
    assert text.count("### ") == 2
    assert "| redis | 1 |" in text


def test_parts_are_chosen_by_name_and_an_unknown_one_is_refused() -> None:
    assert [part.name for part in chosen("loops, guard")] == ["loops", "guard"]
    assert chosen(None) == list(PARTS)
    with pytest.raises(SystemExit, match=r"No such part: nonsense\. There are: guard, "):
        chosen("guard,nonsense")


def test_every_part_is_a_module_and_every_module_a_part() -> None:
    files = (ROOT / "benchmarks" / "micro" / "parts").glob("[!_]*.py")
    assert {file.stem for file in files} == {part.name for part in PARTS}


@pytest.mark.parametrize("name", ["guard", "breaker", "loops", "recovery", "track"])
def test_a_parts_cases_have_names_of_their_own_and_give_figures(name: str) -> None:
    with ExitStack() as stack:
        cases = import_module(f"benchmarks.micro.parts.{name}").cases(stack)
        figures = [case.figure() for case in cases]

    assert len({case.name for case in cases}) == len(cases)
    assert all(figure > 0 for figure in figures)


def test_a_run_of_one_part_prints_a_table_and_writes_its_results(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    command = [sys.executable, "-m", "benchmarks.micro", "--check", "--only", "breaker"]
    run = subprocess.run(
        [*command, "--rounds", "1", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    found = json.loads(file.read_text())
    met = all(row["median"] <= row["target"] for row in found["results"])
    assert run.returncode == (0 if met else 1), run.stderr
    assert "Circuit breakers\n  ✓ admitted check " in run.stdout.replace("✗", "✓")
    assert [row["part"] for row in found["results"]] == ["breaker"] * 4
    assert found["versions"]["spanledger"]
