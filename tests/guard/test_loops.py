"""Loops are found, and what only looks like one is left alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.guard.fingerprints import fingerprint, result_print
from spanledger.guard.loops import LoopFinding, LoopRule, Repetitions, SessionLoops, Step

RULE = LoopRule("loops", action="block")
Made = tuple[str, object, object]


@dataclass
class _Run:
    """What happened to a trace: the steps that warned and that were refused, by number."""

    warned: list[int]
    near: list[int]
    refused_after: int | None
    findings: list[LoopFinding]


def _run(trace: Iterator[Made], count: int, rule: LoopRule = RULE, gap_s: float = 1.0) -> _Run:
    loops, run = SessionLoops(rule), _Run([], [], None, [])
    for number, (tool, arguments, result) in enumerate(islice(trace, count), 1):
        call = fingerprint(tool, arguments)
        if loops.blocked(call) is not None:
            run.refused_after = number - 1
            return run
        found = loops.observe(call, result_print(result), number * gap_s)
        if found is not None:
            run.findings.append(found)
            (run.warned if found.kind == "cycle" else run.near).append(number)
    return run


def _numbered(make: Callable[[int], Made]) -> Iterator[Made]:
    number = 0
    while True:
        number += 1
        yield make(number)


A: Made = ("search", {"q": "cats"}, "no results")
B: Made = ("open", {"url": "/"}, "404")
C: Made = ("back", {}, "ok")
DONE: Made = ("finish", {}, "done")


def _traces() -> dict[str, tuple[Callable[[], Iterator[Made]], list[int], int | None]]:
    """Name → trace, steps at which it warns within 40, steps after which it is refused."""
    return {
        "loop: identical call and result": (lambda: cycle([A]), [5, 10], 10),
        "loop: ping-pong": (lambda: cycle([A, B]), [10, 20], 20),
        "loop: cycle of three": (lambda: cycle([A, B, C]), [15, 30], 30),
        "loop: cycle of four": (lambda: cycle([A, B, C, DONE]), [20, 40], 40),
        "loop: two of a cycle alike": (lambda: cycle([A, A, B]), [15, 30], 30),
        "loop: timestamp in the result": (
            lambda: _numbered(
                lambda n: ("search", {"q": "cats"}, f"2026-11-20T10:00:{n:02}.5Z no results")
            ),
            [5, 10],
            10,
        ),
        "loop: request id in the result": (
            lambda: _numbered(
                lambda n: ("get", {}, {"error": 500, "id": f"550e8400-e29b-41d4-a716-{n:012x}"})
            ),
            [5, 10],
            10,
        ),
        "loop: page counter in the arguments": (
            lambda: _numbered(lambda n: ("list", {"page": n}, "[]")),
            [],
            None,
        ),
        "ok: polling, words change": (
            lambda: _numbered(lambda n: ("status", {"job": 1}, f"stage {'abcdefgh' * n}")),
            [],
            None,
        ),
        "ok: polling, numbers change": (
            lambda: _numbered(lambda n: ("status", {"job": 1}, f"{n} % done, 00:{60 - n}:00 left")),
            [],
            None,
        ),
        "ok: polling, same result 8 times, then done": (
            lambda: iter([("status", {"job": 1}, "running")] * 8 + [DONE]),
            [5],
            None,
        ),
        "ok: edit and test, the output differs": (
            lambda: _numbered(
                lambda n: (
                    ("edit", {"file": "a.py", "text": "x" * n}, "ok")
                    if n % 2
                    else ("test", {}, "E" * n)
                )
            ),
            [],
            None,
        ),
        "ok: retry three times, then success": (
            lambda: iter([("get", {}, "503")] * 3 + [("get", {}, "fine"), DONE]),
            [],
            None,
        ),
        "ok: batch over files": (
            lambda: _numbered(lambda n: ("read", {"path": f"{n}.txt"}, "")),
            [],
            None,
        ),
    }


@pytest.mark.parametrize("name", _traces())
def test_a_trace_is_judged_as_recommended(name: str) -> None:
    trace, warned, refused_after = _traces()[name]
    run = _run(trace(), 41)
    assert (run.warned, run.refused_after) == (warned, refused_after)


@pytest.mark.parametrize("name", _traces())
def test_a_rule_that_only_warns_never_refuses(name: str) -> None:
    run = _run(_traces()[name][0](), 200, replace(RULE, action="warn"))
    assert run.refused_after is None
    assert all(found.action == "warn" for found in run.findings)


def test_a_finding_says_what_goes_round() -> None:
    found = _run(cycle([A, B]), 41).findings
    assert [(f.kind, f.period, f.count, f.action) for f in found] == [
        ("cycle", 2, 5, "warn"),
        ("cycle", 2, 10, "block"),
    ]
    assert found[0].tools == ("search", "open")
    assert found[0].sentence() == (
        "Loop rule 'loops': search → open came 5 times in a row with the same arguments and the "
        "same results."
    )


def test_changing_numbers_warn_late_and_never_block() -> None:
    """They may be progress; they may also be "took 532 ms: no results" for ever."""
    run = _run(_numbered(lambda n: ("status", {}, f"{n} of 5000")), 100)
    assert (run.warned, run.near, run.refused_after) == ([], [10, 20, 40, 80], None)


def test_a_long_loop_is_told_a_few_times_only() -> None:
    run = _run(cycle([A]), 1000, replace(RULE, action="warn"))
    assert run.warned == [5, 10, 20, 40, 80, 160, 320, 640]
    assert run.near == []


def test_after_the_loop_was_left_it_is_told_anew() -> None:
    trace = [A] * 6 + [B] + [A] * 6
    assert _run(iter(trace), 99).warned == [5, 12]


def test_only_the_call_that_goes_on_with_the_cycle_is_refused() -> None:
    loops = SessionLoops(RULE)
    calls = [fingerprint(tool, arguments) for tool, arguments, _ in (A, B)]
    for number in range(20):
        loops.observe(calls[number % 2], result_print("same"), float(number))
    assert loops.blocked(calls[0]) is not None
    assert loops.blocked(calls[1]) is None
    assert loops.blocked(fingerprint("search", {"q": "dogs"})) is None
    assert loops.blocked(calls[0]) is not None, "asking changes nothing"


def test_a_result_that_changes_ends_the_refusal() -> None:
    loops = SessionLoops(RULE)
    call, other = fingerprint("a", {}), fingerprint("b", {})
    for number in range(10):
        loops.observe(call, result_print("same"), float(number))
    assert loops.blocked(call) is not None
    loops.observe(other, result_print("news"), 11.0)
    assert loops.blocked(call) is None


def test_a_refusal_does_not_wear_off_by_waiting() -> None:
    """Nothing has changed, so the next such call would bring nothing new."""
    loops = SessionLoops(RULE)
    call = fingerprint("a", {})
    for number in range(10):
        loops.observe(call, result_print("same"), float(number))
    assert all(loops.blocked(call) is not None for _ in range(100))


# --- polling ------------------------------------------------------------------------------


def test_a_tool_that_is_declared_as_polling_is_never_counted() -> None:
    run = _run(cycle([A]), 100, replace(RULE, polling=frozenset({"search"})))
    assert (run.findings, run.refused_after) == ([], None)


def test_a_cycle_with_a_polling_call_in_it_is_not_refused() -> None:
    run = _run(cycle([A, B]), 100, replace(RULE, polling=frozenset({"open"})))
    assert (run.warned, run.refused_after) == ([], None)


def test_slow_repetition_warns_late_and_never_blocks() -> None:
    run = _run(cycle([A]), 60, gap_s=5.0)
    assert (run.warned, run.near, run.refused_after) == ([], [10, 20, 40], None)


def test_a_wait_and_a_look_are_waiting() -> None:
    """The pause is in the first of the two calls."""
    loops, now = SessionLoops(RULE), 0.0
    for _ in range(50):
        now += 30.0
        assert loops.blocked(fingerprint("sleep", {"s": 30})) is None
        loops.observe(fingerprint("sleep", {"s": 30}), result_print(None), now)
        now += 0.1
        assert loops.blocked(fingerprint("look", {})) is None
        found = loops.observe(fingerprint("look", {}), result_print("running"), now)
        assert found is None or found.action == "warn"


def test_without_an_interval_slow_loops_count_too() -> None:
    run = _run(cycle([A]), 60, replace(RULE, min_interval_s=None), gap_s=60.0)
    assert (run.warned, run.refused_after) == ([5, 10], 10)


@given(
    results=st.lists(st.text(st.characters(exclude_categories=["Nd", "Cs"])), unique=True),
    gap_s=st.floats(0.0, 4.0),
)
def test_a_poll_loop_whose_results_change_is_never_refused(
    results: list[str], gap_s: float
) -> None:
    run = _run((("status", {}, result) for result in results), 10**6, gap_s=gap_s)
    assert (run.warned, run.refused_after) == ([], None)


@given(start=st.integers(0, 10**12), step=st.integers(1, 1000), unit=st.sampled_from(("", " B")))
def test_a_poll_loop_whose_number_changes_is_never_refused(
    start: int, step: int, unit: str
) -> None:
    run = _run(_numbered(lambda n: ("status", {}, f"at {start + n * step}{unit}")), 60)
    assert (run.warned, run.refused_after) == ([], None)


@given(polls=st.integers(1, 9))
def test_a_result_that_changes_each_few_polls_is_never_refused(polls: int) -> None:
    """Ten times the same is a loop; nine times and then progress is not."""
    trace = _numbered(lambda n: ("status", {}, "step " + "i" * (n // polls)))
    assert _run(trace, 120).refused_after is None


def test_results_that_can_not_be_read_are_never_refused() -> None:
    """They may differ where nobody looked."""

    class Frame:
        pass

    run = _run(_numbered(lambda n: ("query", {}, Frame())), 100)
    assert (run.warned, run.refused_after) == ([], None)


def test_arguments_that_can_not_be_read_are_never_refused() -> None:
    run = _run(_numbered(lambda n: ("process", {"rows": object()}, "ok")), 100)
    assert (run.warned, run.refused_after) == ([], None)


# --- the arithmetic -----------------------------------------------------------------------

STEPS = [Step(name, name.encode(), b"") for name in "abc"]


@given(steps=st.lists(st.sampled_from(STEPS), max_size=60))
def test_the_count_is_what_a_look_at_the_whole_history_finds(steps: list[Step]) -> None:
    """Kept in constant room; compared with the plain definition."""
    repetitions = Repetitions(4)
    for step in steps:
        repetitions.add(step)
    period, count = repetitions.found()
    if not steps:
        assert (period, count) == (1, 0)
        return
    tail = steps[len(steps) - period * count :]
    assert tail == steps[-period:] * count
    assert count == _count(steps, period)
    longest = max(_count(steps, p) * p for p in range(1, 5) if _count(steps, p) > 1 or p == 1)
    assert period * count > longest - period


def _count(steps: list[Step], period: int) -> int:
    """How often the last `period` steps stand at the end."""
    count, unit = 0, steps[-period:]
    if len(unit) < period:
        return 0
    while steps[len(steps) - period * (count + 1) : len(steps) - period * count] == unit:
        count += 1
        if period * (count + 1) > len(steps):
            break
    return count


@given(
    unit=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4),
    before=st.lists(st.sampled_from(STEPS), max_size=10),
    count=st.integers(5, 12),
)
def test_every_short_cycle_is_found_after_any_history(
    unit: list[Step], before: list[Step], count: int
) -> None:
    repetitions = Repetitions(4)
    for step in [*before, *(unit * count)]:
        repetitions.add(step)
    period, found = repetitions.found()
    assert len(unit) % period == 0
    assert found >= count


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("action", "stop"),
        ("warn_at", 1),
        ("warn_at", 2.5),
        ("block_at", 4),
        ("max_period", 0),
        ("max_period", True),
        ("min_interval_s", 0.0),
        ("min_interval_s", float("nan")),
    ],
)
def test_a_rule_of_no_use_is_refused_with_its_name_and_value(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"loop rule 'loops': {field} is .*it must be"):
        replace(RULE, **{field: value})
