"""Every scenario has a test that bears its number; every property has the test that holds it."""

import ast
import re
from pathlib import Path

import pytest

from tests.guard._ledger_machine import MUTANTS

_TESTS = Path(__file__).parents[1]
#: The way out of telemetry and redaction are held elsewhere.
_ELSEWHERE = {27, 28, 29}
SCENARIOS = sorted(set(range(1, 31)) - _ELSEWHERE)

NASTY = (
    "installed_a_second_time",
    "a_fork_in_the_midst_of_a_call",
    "a_finaliser_that_settles_while_the_ledger_is_locked",
    "calls_in_a_frozen_time",
    "who_waits_in_a_frozen_time",
    "a_limit_lowered_below_what_is_spent",
    "each_process_charges_by_its_own_prices",
    "a_poll_whose_results_change",
)

#: What random programs, all zones and killed processes are held against.
PROPERTIES = {
    "P1-P8 state machine": (
        "guard/test_ledger.py",
        "test_random_programs_keep_every_property_of_the_ledger",
    ),
    "P1-P8 on SQLite": (
        "guard/test_sqlite_store.py",
        "test_random_programs_keep_every_property_of_the_ledger",
    ),
    "mutants": ("guard/test_ledger.py", "test_the_random_programs_catch_a_ledger_with_a_mistake"),
    "P9 order": ("guard/test_ledger.py", "test_the_order_of_settlements_does_not_matter"),
    "P10 window": ("guard/test_ledger.py", "test_a_call_is_charged_to_the_window_of_its_admission"),
    "P11 SQLite": (
        "guard/test_sqlite_store.py",
        "test_a_random_program_gives_the_same_answers_and_sums_as_in_memory",
    ),
    "P11 Redis": (
        "guard/test_redis_store.py",
        "test_any_program_has_the_same_answers_sums_and_crossings_as_in_memory",
    ),
    "P12 thresholds": (
        "guard/test_thresholds.py",
        "test_each_threshold_is_told_once_in_order_as_soon_as_it_is_reached",
    ),
    "P13 limits that change": (
        "guard/test_guard_rules.py",
        "test_open_calls_settle_under_a_new_policy",
    ),
    "P14 prices rise": (
        "pricing/test_properties.py",
        "test_more_tokens_of_a_class_never_cost_less",
    ),
    "P14 cached": (
        "pricing/test_properties.py",
        "test_a_cached_token_never_costs_more_than_a_fresh_one",
    ),
    "P14 sum": (
        "pricing/test_properties.py",
        "test_the_costs_of_the_classes_add_up_to_the_cost_of_the_call",
    ),
    "P15-P16 all zones": ("guard/test_windows.py", "test_windows_partition_time"),
    "P15-P16 all changes of clocks": (
        "guard/test_windows.py",
        "test_every_transition_of_three_years_is_between_two_windows",
    ),
    "P17 hours": (
        "guard/test_windows.py",
        "test_an_hour_has_3600_seconds_also_when_clocks_change",
    ),
    "P17 days": ("guard/test_windows.py", "test_calendar_windows_begin_with_a_new_local_date"),
    "20 kills of agents, SQLite": (
        "guard/test_sqlite_store_processes.py",
        "test_a_killed_process_loses_nothing_that_was_acknowledged",
    ),
    "20 kills of agents, Redis": (
        "guard/test_redis_store_processes.py",
        "test_killed_processes_lose_nothing_that_was_settled",
    ),
    "20 kills of the server": (
        "guard/test_redis_store_processes.py",
        "test_a_killed_server_with_an_append_only_file_has_kept_every_settlement",
    ),
    "48 processes, SQLite": (
        "guard/test_sqlite_store_processes.py",
        "test_processes_use_up_a_budget_and_never_pass_it",
    ),
    "48 processes, Redis": (
        "guard/test_redis_store_processes.py",
        "test_processes_never_overspend_and_use_what_there_is",
    ),
}


def _names(folder: Path) -> list[str]:
    return [name for file in folder.glob("test_*.py") for name in _functions(file)]


def _functions(file: Path) -> list[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in ast.parse(file.read_text()).body if isinstance(node, kinds)]


def test_every_scenario_has_a_test_and_every_test_has_a_scenario() -> None:
    named = (re.match(r"test_scenario_(\d\d)_", name) for name in _names(Path(__file__).parent))
    numbers = {int(found[1]) for found in named if found}
    assert set(SCENARIOS) <= numbers <= set(range(1, 31))


@pytest.mark.parametrize("nasty", NASTY)
def test_every_nasty_one_has_a_test(nasty: str) -> None:
    assert any(name.startswith(f"test_nasty_{nasty}") for name in _names(Path(__file__).parent))


@pytest.mark.parametrize("held", PROPERTIES)
def test_every_property_has_its_test(held: str) -> None:
    file, name = PROPERTIES[held]
    assert name in _functions(_TESTS / file)


def test_the_six_mistakes_of_the_field_are_among_the_mutants() -> None:
    """Each is a ledger that the random programs must find out."""
    assert {mutant.__name__ for mutant in MUTANTS} >= {
        "NoReservation",
        "SettlesTwice",
        "ReservesInPart",
        "LeaksOnRelease",
        "SweepsToZero",
        "ClampsToEstimate",
    }
