"""Tokens by session, tool and operation: sums that agree on every level, and thresholds."""

import os
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from spanledger import guard, semconv, track
from spanledger.guard import Budget, Guard, Policy
from spanledger.testing.spans import SpanCapture
from spanledger.track import tokens
from spanledger.track.tokens import Crossed, Tracker

NAMES = st.sampled_from(["a", "b", "c", "(other)"])
OPERATIONS = st.lists(
    st.tuples(NAMES, NAMES, NAMES, st.integers(0, 10**12), st.integers(0, 10**12)), max_size=40
)


class Clock:
    """Seconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tracker(clock: Clock) -> Tracker:
    return Tracker(clock)


@pytest.fixture
def limited() -> Iterator[Guard]:
    """A guard of the process with one budget of a thousand tokens."""
    before = guard.current()
    yield guard.use(Guard(Policy((Budget("tokens", "tokens", 1000), Budget("usd", "cost", 10**9)))))
    guard.use(before)


def spent(held: Guard) -> list[int]:
    call = guard.Call("x", "", "", "chat", guard.Estimate(0, 0, 0, "none"))
    return [state.spent for state in held.state(call)]


@given(OPERATIONS)
def test_every_level_adds_up_to_the_total(
    operations: list[tuple[str, str, str, int, int]],
) -> None:
    tracker = Tracker(lambda: 5.0)
    for session, tool, operation, into, out in operations:
        tracker.track_operation(operation, into, out, tool=tool, session=session)
    report = tracker.report()
    assert report.total.total_tokens == sum(into + out for *_, into, out in operations)
    assert report.total.operations == len(operations)
    sessions = [tracker.session_report(name) for name in {s for s, *_ in operations}]
    for level in (report.tools.values(), report.operations.values(), [s.total for s in sessions]):
        assert sum(stats.total_tokens for stats in level) == report.total.total_tokens
    for session_report in sessions:
        uses = session_report.tools.values()
        assert sum(use.total.input_tokens for use in uses) == session_report.total.input_tokens
        for use in uses:
            found = sum(stats.operations for stats in use.operations.values())
            assert found == use.total.operations


@given(OPERATIONS)
def test_a_snapshot_that_is_read_back_says_the_same(
    operations: list[tuple[str, str, str, int, int]],
) -> None:
    first, second = Tracker(lambda: 5.0), Tracker(lambda: 5.0)
    for session, tool, operation, into, out in operations:
        first.track_operation(operation, into, out, tool=tool, session=session)
    second.import_json(first.export_json())
    assert second.report() == first.report()
    for session in {s for s, *_ in operations}:
        assert second.session_report(session) == first.session_report(session)


def test_two_snapshots_are_added_up(tracker: Tracker) -> None:
    tracker.track_operation("read", 10, 5, tool="t")
    text = tracker.export_json()
    tracker.import_json(text)
    assert tracker.report().total.total_tokens == 30
    assert tracker.tool_stats("t").operations == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"version": 2}',
        '{"version": 1, "total": [1, 2, 3], "tools": {}, "operations": {}, "sessions": []}',
        '{"version": 1, "total": [-1, 0, 0, 0, 0, 0]}',
        '{"version": 1, "total": [1, 0, 0, NaN, 0, 0]}',
        '{"version": 1, "total": [0, 0, 0, 0, 0, 0], "tools": {}, "operations": {}, '
        '"sessions": [["a", "b", "c", "elsewhere", [0, 0, 0, 0, 0, 0]]]}',
    ],
)
def test_what_is_no_snapshot_is_refused_and_changes_nothing(tracker: Tracker, text: str) -> None:
    tracker.track_operation("read", 1)
    with pytest.raises(ValueError, match="no snapshot of tokens"):
        tracker.import_json(text)
    assert tracker.report().total.operations == 1


def test_session_and_tool_are_those_at_work(tracker: Tracker) -> None:
    @track.tool
    def reader() -> None:
        tracker.track_operation("read", 7)

    with track.session("s1"):
        reader()
        assert tracker.session_report().session == "s1"
    assert tracker.session_report("s1").tools["reader"].operations["read"].input_tokens == 7
    assert tracker.tool_stats("reader").total_tokens == 7
    assert tracker.tool_stats("unknown").operations == 0


def test_rates_are_per_minute_from_the_first_operation(tracker: Tracker, clock: Clock) -> None:
    tracker.track_operation("read", 100, tool="t")
    clock.now_s += 30
    tracker.track_operation("read", 200, tool="t")
    assert tracker.tool_stats("t").tokens_per_minute == 600
    assert tracker.tool_stats("t").tokens_per_operation == 150
    clock.now_s += 30
    assert tracker.report().total.tokens_per_minute == 300


def test_a_report_is_a_table_for_people_too(tracker: Tracker) -> None:
    tracker.track_operation("read", 100, 7, tool="small", session="s")
    tracker.track_operation("read", 900, tool="large", session="s")
    lines = tracker.report().text().splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["all", "2"],
        ["tool", "large"],
        ["tool", "small"],
    ]
    assert "session s" in tracker.session_report("s").text()


@pytest.mark.parametrize(("into", "out"), [(-1, 0), (0, -1)])
def test_negative_tokens_are_refused(tracker: Tracker, into: int, out: int) -> None:
    with pytest.raises(ValueError, match="can't be negative"):
        tracker.track_operation("read", into, out)
    with pytest.raises(ValueError, match="can't be negative"), tracker.track_context() as used:
        used.add(into, out)
    assert tracker.report().total.operations == 0


def test_tokens_that_are_no_whole_numbers_are_refused(tracker: Tracker) -> None:
    with pytest.raises(TypeError, match="whole numbers"):
        tracker.track_operation("read", 1.5)  # type: ignore[arg-type]  # what is tested


# --- texts and contexts ---------------------------------------------------------------------


def test_a_text_is_counted_by_the_models_own_encoding(tracker: Tracker) -> None:
    assert tracker.track_text("The quick brown fox", model="gpt-4") == 4
    assert tracker.track_text("The quick brown fox", model="claude-sonnet-4-5", output=True) == 4
    total = tracker.report().total
    assert (total.input_tokens, total.output_tokens) == (4, 4)


def test_a_context_becomes_one_operation_also_if_it_fails(tracker: Tracker) -> None:
    def fails() -> None:
        with used:
            used.add(100)
            used.add(50, 7)
            assert used.add_text("The quick brown fox") == 4
            raise KeyError

    used = tracker.track_context("retrieval", tool="t")
    with pytest.raises(KeyError):
        fails()
    assert tracker.report().operations["retrieval"].operations == 1
    assert used.total_tokens == 161
    assert tracker.tool_stats("t").total_tokens == 161


def test_a_context_holds_what_is_used_in_it_at_any_depth(tracker: Tracker) -> None:
    with tracker.track_context() as outer:
        tracker.track_operation("read", 1)
        with tracker.track_context() as inner:
            tracker.track_operation("read", 10)
            inner.add(100)
        outer.add(1000)
    assert (inner.input_tokens, outer.input_tokens) == (110, 1111)
    tracker.track_operation("read", 1)
    assert outer.input_tokens == 1111


def test_a_context_can_be_used_again_but_not_twice_at_once(tracker: Tracker) -> None:
    used = tracker.track_context()
    with used:
        used.add(1)
        with pytest.raises(RuntimeError, match="entered already"):
            used.__enter__()
    with used:
        used.add(2)
    assert tracker.report().total.input_tokens == 3


# --- details --------------------------------------------------------------------------------


def test_the_minimal_mode_keeps_no_operations(tracker: Tracker) -> None:
    tracker.track_operation("read", 1)
    assert tracker.recent() == []
    with pytest.raises(RuntimeError, match="configure"):
        tracker.rate()


@given(st.integers(1, 12), st.integers(0, 40), st.integers(0, 15))
def test_the_detailed_mode_keeps_the_last_operations(capacity: int, n: int, most: int) -> None:
    tracker = Tracker(lambda: 5.0)
    tracker.configure(mode="detailed", capacity=capacity)
    for number in range(n):
        tracker.track_operation("read", number, session="s", tool="t", duration_s=0.5)
    kept = list(range(n))[max(0, n - min(capacity, most)) :]
    assert [operation.input_tokens for operation in tracker.recent(most)] == kept
    assert all(op[1:5] == ("s", "t", "read", "tracked") for op in tracker.recent(most))
    assert tracker.report().total.operations == n


def test_the_recent_rate_looks_at_its_window_only(tracker: Tracker, clock: Clock) -> None:
    tracker.configure(mode="detailed")
    tracker.track_operation("read", 5000)
    clock.now_s += 100
    tracker.track_operation("read", 300)
    assert tracker.rate(60) == 300
    assert tracker.rate(30) == 600


def test_unknown_modes_and_capacities_are_refused(tracker: Tracker) -> None:
    with pytest.raises(ValueError, match="no mode; there are minimal, detailed"):
        tracker.configure(mode="loud")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(ValueError, match="at least 1"):
        tracker.configure(mode="detailed", capacity=0)


def test_memory_is_bounded_and_totals_stay_right(tracker: Tracker) -> None:
    for number in range(3000):
        name = f"n{number}" + "x" * (number % 300)
        tracker.track_operation(name, 1, tool=name, session=name)
    for number in range(3000):
        tracker.track_operation(f"n{number}", 1, tool=f"n{number}", session="busy")
    report = tracker.report()
    assert report.total.total_tokens == 6000
    assert report.sessions == 256
    assert (len(report.tools), len(report.operations)) == (257, 129)
    assert sum(stats.total_tokens for stats in report.tools.values()) == 6000
    busy = tracker.session_report("busy")
    assert len(busy.tools) <= 65
    assert sum(use.total.total_tokens for use in busy.tools.values()) == 3000
    assert len(tracker._book._paths) < 256 * 65


# --- thresholds -----------------------------------------------------------------------------


def test_a_threshold_is_told_once_for_each_thing_of_its_level(tracker: Tracker) -> None:
    told: list[Crossed] = []
    tracker.on_threshold(100, told.append, level="session")
    tracker.on_threshold(250, told.append, level="session")
    tracker.on_threshold(400, told.append)
    for session, count in (("a", 99), ("a", 1), ("a", 50), ("b", 260), ("a", 90)):
        tracker.track_operation("read", count, session=session)
    assert told == [
        Crossed("session", "a", 100, 100),
        Crossed("global", "", 410, 400),
        Crossed("session", "b", 260, 100),
        Crossed("session", "b", 260, 250),
    ]


@pytest.mark.parametrize("level", ["tool", "operation"])
def test_thresholds_of_tools_and_operations(tracker: Tracker, level: tokens.Level) -> None:
    told: list[Crossed] = []
    tracker.on_threshold(10, told.append, level=level)
    tracker.track_operation("x", 9, tool="x")
    tracker.track_operation("x", 9, tool="x")
    assert told == [Crossed(level, "x", 18, 10)]


def test_a_callback_that_fails_is_logged_and_one_taken_back_is_silent(
    tracker: Tracker, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Crossed] = []

    def fails(_crossed: Crossed) -> None:
        raise RuntimeError("on purpose")

    tracker.on_threshold(10, fails)
    remove = tracker.on_threshold(10, told.append)
    remove()
    tracker.track_operation("read", 10)
    assert "a callback for 10 tokens failed" in caplog.text
    assert told == []


def test_what_has_passed_a_threshold_already_is_not_told(tracker: Tracker) -> None:
    told: list[Crossed] = []
    tracker.track_operation("read", 100)
    tracker.on_threshold(50, told.append)
    tracker.track_operation("read", 100)
    assert told == []


def test_a_callback_may_ask_the_tracker(tracker: Tracker) -> None:
    seen: list[int] = []
    tracker.on_threshold(5, lambda _c: seen.append(tracker.report().total.total_tokens))
    tracker.track_operation("read", 5)
    assert seen == [5]


@pytest.mark.parametrize(("limit", "level"), [(0, "global"), (5, "galaxy")])
def test_thresholds_that_make_no_sense_are_refused(
    tracker: Tracker, limit: int, level: tokens.Level
) -> None:
    with pytest.raises(ValueError, match=r"at least 1 token|no level"):
        tracker.on_threshold(limit, print, level=level)


# --- threads, forks, metrics, money -----------------------------------------------------------


def test_threads_lose_no_token(tracker: Tracker) -> None:
    tracker.configure(mode="detailed", capacity=10)
    told: list[Crossed] = []
    tracker.on_threshold(4000, told.append, level="tool")
    with tracker.track_context() as used:
        from opentelemetry.context import attach, detach, get_current

        here = get_current()

        def work(name: str) -> None:
            token = attach(here)
            for _ in range(1000):
                tracker.track_operation("read", 2, 1, tool="t", session=name)
            detach(token)

        threads = [threading.Thread(target=work, args=(f"s{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert tracker.report().total.total_tokens == used.total_tokens == 12_000
    assert len(told) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_counts_from_nothing(tracker: Tracker) -> None:
    tracker.track_operation("read", 5)
    read, write = os.pipe()
    with tracker._lock:  # held by somebody while the process forks
        child = os.fork()
    if child == 0:
        try:
            tracker.track_operation("read", 7)
            os.write(write, str(tracker.report().total.total_tokens).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 10) == b"7"
    os.close(read)
    os.close(write)


def test_the_metric_says_what_the_report_says(tracker: Tracker) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    tracker.observe(provider)
    tracker.track_operation("read", 10, 1, tool="t")
    tracker.track_operation("read", 20, 2, tool="t", session="s2")
    tracker.saw_call("s2", None, "chat", 100, 10)
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert metric.name == semconv.METRIC_TOKENS_USED
    points = [(dict(p.attributes or {}), p.value) for p in metric.data.data_points]  # type: ignore[union-attr]  # a sum
    assert sum(value for _, value in points) == tracker.report().total.total_tokens == 143
    assert (
        {
            semconv.OPERATION_NAME: "read",
            semconv.TOOL_NAME: "t",
            semconv.TOKENS_SOURCE: "tracked",
            semconv.TOKEN_TYPE: "input",
        },
        30,
    ) in points
    provider.shutdown()


def test_tracking_never_charges_the_ledger_unless_told_to(
    limited: Guard, captured_spans: SpanCapture
) -> None:
    tracker = Tracker()
    tracker.track_operation("read", 900, 50)
    tracker.track_text("The quick brown fox")
    with tracker.track_context() as used:
        used.add(10_000)
    assert spent(limited) == [0, 0]
    assert captured_spans.spans == []


def test_a_charge_is_in_the_ledger_and_has_a_call_record(
    limited: Guard, captured_spans: SpanCapture
) -> None:
    tracker = Tracker()
    with track.session("s"):
        tracker.track_operation(
            "transcribe", 900, 500, charge=True, provider="openai", model="gpt-4o"
        )
    used_tokens, used_nano_usd = spent(limited)
    assert used_tokens == 1400  # beyond the limit: it has happened
    (span,) = captured_spans.named("transcribe gpt-4o")
    attributes = span["attributes"]
    assert attributes[semconv.BILLING] == "call"
    assert attributes[semconv.COST_NANO_USD] == used_nano_usd > 0
    assert attributes[semconv.OPERATION_NAME] == "chat"


@pytest.mark.parametrize(("provider", "model"), [("", "gpt-4o"), ("openai", "")])
def test_a_charge_without_a_model_is_refused(tracker: Tracker, provider: str, model: str) -> None:
    with pytest.raises(ValueError, match="needs provider and model"):
        tracker.track_operation("read", 1, charge=True, provider=provider, model=model)
    assert tracker.report().total.operations == 0


def test_a_reset_forgets_sums_and_keeps_thresholds(tracker: Tracker) -> None:
    told: list[Crossed] = []
    tracker.configure(mode="detailed")
    tracker.on_threshold(10, told.append)
    tracker.track_operation("read", 10)
    tracker.reset()
    assert (tracker.report().total.operations, tracker.recent()) == (0, [])
    tracker.track_operation("read", 10)
    assert len(told) == 2
