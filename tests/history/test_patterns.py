"""What is alike, what stands out, what usually comes next, and the counts."""

import pytest

from spanledger.history.counts import quantile, statistics
from spanledger.history.patterns import after, next_actions, similar, unusual
from spanledger.history.related import query_words, related
from spanledger.history.summary import summarize
from tests.history._actions import ENGLISH, SECOND, action


def test_actions_with_mostly_the_same_words_are_one_cluster() -> None:
    parcels = [action(n, arguments=f"where is parcel {n}") for n in (1, 2, 3)]
    other = action(4, arguments="weather in Bergen tomorrow")
    (cluster,) = similar([*parcels, other])
    assert cluster.actions == tuple(parcels)
    assert cluster.example == parcels[0]


def test_a_slow_a_dear_a_rare_and_a_failing_action_stand_out() -> None:
    usual = [action(n, "call", "gpt-x", cost_nano_usd=1_000_000, agent="a") for n in range(1, 61)]
    slow = action(70, "call", "gpt-x", duration_ns=60 * SECOND, cost_nano_usd=1_000_000, agent="a")
    dear = action(71, "call", "gpt-x", cost_nano_usd=50_000_000, agent="a")
    failing = action(72, "call", "gpt-x", "error", cost_nano_usd=1_000_000, agent="a")
    rare = action(73, "tool", "delete_all", agent="a")
    found = unusual([*usual, slow, dear, failing, rare], ENGLISH)
    assert [(each.action, each.reasons) for each in found] == [
        (rare, ("delete_all was done 1 times among 64 actions of a",)),
        (failing, ("it failed; gpt-x succeeds in 98.4 % of 63 times",)),
        (dear, ("it cost $0.05; usually $0.001",)),
        (slow, ("it took 60.00 s; usually 500.0 ms",)),
    ]


def test_few_actions_are_not_judged() -> None:
    assert unusual([action(1), action(2, duration_ns=100 * SECOND)], ENGLISH) == []


def test_what_came_next_is_told_with_its_counts() -> None:
    ask, look, send = ("call", "gpt-x"), ("tool", "look"), ("tool", "send")
    known = [(ask, look, ask, send), (ask, look, ask, look), (ask, look, send)]
    (first, second) = after(known, [look, ask])
    assert [(each.name, each.times, each.of) for each in (first, second)] == [
        ("look", 1, 2),
        ("send", 1, 2),
    ]
    (only, *_) = after(known, [send, look])
    assert (only.name, only.times, only.of, only.after) == ("gpt-x", 2, 3, (look,))
    assert after(known, [("tool", "never")]) == []


def test_next_actions_come_from_whole_sessions() -> None:
    history = [
        action(n, "tool" if n % 2 else "call", "x" if n % 2 else "m", session="s")
        for n in range(1, 9)
    ]
    (found,) = next_actions(history, [("tool", "x")])
    assert (found.kind, found.name, found.times, found.of) == ("call", "m", 4, 4)


def test_related_actions_are_found_by_words_and_beginnings_of_words() -> None:
    parcel = action(1, name="track_parcel", arguments="17")
    weather = action(2, name="weather", message="no parcel service")
    none = action(3, name="sum")
    found = related([parcel, weather, none], "track parcels parcel 17")
    assert [(each.action, each.score) for each in found] == [(parcel, 0.75), (weather, 0.25)]
    assert related([action(1, name="parcels")], "parcel")[0].score == 1


def test_a_query_has_at_most_sixteen_words_and_at_least_one() -> None:
    assert len(query_words(" ".join(f"word{n}" for n in range(99)))) == 16
    with pytest.raises(ValueError, match="no word"):
        query_words("  – ")


def test_statistics_count_by_kind_and_name() -> None:
    found = statistics(
        [
            action(1, "call", "m", tokens=10, cost_nano_usd=5, session="a"),
            action(2, "call", "m", "error", session="a"),
            action(3, session="b"),
        ]
    )
    assert (found.actions, found.sessions) == (3, 2)
    assert found.statuses["error"] == 1
    calls, tools = found.names
    assert (calls.name, calls.failed, calls.success_rate) == ("m", 1, 0.5)
    assert (calls.tokens, calls.cost_nano_usd) == (10, 5)
    assert tools.cost_nano_usd is None


def test_quantiles_lie_between_values_in_proportion() -> None:
    assert quantile([1.0], 0.95) == 1
    assert quantile([1.0, 3.0], 0.5) == 2


def test_a_summary_says_how_many_how_well_and_what_it_cost() -> None:
    actions = [
        action(3, "call", "m", tokens=1200, cost_nano_usd=12_000_000, command="Sum it up"),
        action(2, "call", "m"),
        action(1, "tool", "search", "error", error_type="Timeout"),
    ]
    assert summarize(actions, ENGLISH).sentences == (
        "The last 3 actions: 2 success, 1 error; from 2026-03-01 12:00:01 to "
        "2026-03-01 12:00:03 UTC.",
        "The latest command: “Sum it up”.",
        "Most often: a call of m (2 ×), the tool search (1 ×).",
        "Failed: the tool search (Timeout).",
        "Model calls cost $0.012 and used 1,200 tokens.",
        "1 model calls have no known price; their cost is not in it.",
    )
    assert summarize([], ENGLISH).sentences == ("No action is recorded.",)
