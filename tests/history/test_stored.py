"""Older actions, out of ClickHouse on both engines."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from spanledger.history import History, UnknownAction
from spanledger.warehouse import Warehouse
from tests.history._rows import NOON, ROUTINE, clock, identity


@pytest.fixture
def history(stored: Warehouse) -> History:
    return History(stored, clock=clock)


def test_the_last_actions_are_listed_newest_first_and_each_once(history: History) -> None:
    found = history.actions(100, session="s-1")
    assert [(each.span_id, each.kind, each.status) for each in found] == [
        (identity(8), "call", "error"),
        (identity(7), "call", "partial"),
        (identity(6), "tool", "success"),
        (identity(5), "tool", "error"),
        (identity(4), "call", "success"),
        (identity(3), "operation", "completed"),
        (identity(2), "agent", "completed"),
        (identity(1), "session", "completed"),
    ]


def test_a_listed_action_tells_what_its_span_tells(history: History) -> None:
    refused, _, done, failed, asked, *_ = history.actions(100, session="s-1")
    assert (refused.reason, refused.rule, refused.cost_nano_usd) == (
        "budget_exceeded",
        "daily",
        None,
    )
    assert (failed.error_type, failed.arguments) == ("TimeoutError", '{"id": 17}')
    assert failed.message == "the depot in Bergen did not answer"
    assert done.result == "x" * 500 + "…"
    assert (asked.tokens, asked.cost_nano_usd, asked.agent) == (120, 2_500_000, "clerk")
    assert asked.started_ns == int(NOON.timestamp() + 4) * 10**9


@pytest.mark.parametrize(
    ("kind", "count"), [("call", 3), ("tool", 2), ("agent", 1), ("session", 1)]
)
def test_a_kind_can_be_chosen(history: History, kind: str, count: int) -> None:
    found = history.actions(100, kind=kind, session="s-1")  # type: ignore[arg-type]  # one of them
    assert [each.kind for each in found] == [kind] * count


def test_the_last_action_of_everything_is_the_newest_step(history: History) -> None:
    last = history.last_action(session="")
    assert last is not None
    assert (last.name, last.session) == ("send_mail", f"routine-{ROUTINE}")
    assert history.actions(3, agent="clerk")[0] == last
    assert history.actions(3, agent="nobody") == []


def test_an_old_action_is_explained_from_its_whole_trace(history: History) -> None:
    found = history.explain(identity(6))
    assert found.command == "Where is parcel 17?"
    assert [each.kind for each in found.served] == ["operation", "agent", "session"]
    assert [each.span_id for each in found.failed_before] == [identity(5)]
    assert [each.span_id for each in found.depended_on] == [identity(4)]
    assert found.again
    assert found.served[0].status == "partial"


def test_the_beginning_of_an_id_and_a_calls_id_are_enough(history: History) -> None:
    assert history.explain(identity(110)[:7]).action.session.startswith("routine")
    assert history.explain("call-refused").action.span_id == identity(8)


def test_an_action_whose_span_is_gone_is_explained_from_its_typed_row(
    stored: Warehouse, history: History
) -> None:
    """Spans are kept for a shorter time. A year before everything else, so nothing else sees it."""
    row = {
        "ts": NOON - timedelta(days=365),
        "duration_us": 500_000,
        "trace_id": bytes.fromhex("c0" * 16),
        "span_id": bytes.fromhex("c0ffee0000000001"),
        "operation": "chat",
        "request_model": "gpt-x",
        "session_id": "old",
        "billing": "call",
        "input_tokens": 100,
        "output_tokens": 20,
        "cost_usd": Decimal("0.0025"),
        "status": "Unset",
    }
    stored.insert("llm_calls", list(row), [list(row.values())])
    found = history.explain("c0ffee")
    assert (found.action.name, found.action.session) == ("gpt-x", "old")
    assert found.action.cost_nano_usd == 2_500_000
    assert found.command is None


@pytest.mark.parametrize(
    ("action_id", "says"),
    [
        ("beef", "several actions begin with"),
        ("ffffffff", "no action has the id 'ffffffff'"),
        ("ab", "too short"),
        ("'; DROP TABLE otel_traces --", "no action has the id"),
        ("x" * 10_000, "no action has the id 'xxxx"),
    ],
)
def test_ids_of_no_use_are_one_sentence(history: History, action_id: str, says: str) -> None:
    with pytest.raises(UnknownAction, match=says) as caught:
        history.explain(action_id)
    assert len(str(caught.value)) < 250


def test_a_chain_is_the_whole_trace_in_its_order(history: History) -> None:
    chain = history.chain_of(identity(4))
    assert [each.span_id for each in chain] == [identity(number) for number in range(1, 9)]
    assert history.chain_of(identity(4))[-1].reason == "budget_exceeded"


@pytest.mark.parametrize(
    ("query", "first", "score"),
    [
        ("Bergen depot", 5, 1.0),
        ("where is PARCEL 17", 3, 1.0),
        ("send mail", 100 + 10 * ROUTINE + 3, 1.0),
        ("timeout elephants", 5, 0.5),
    ],
)
def test_related_actions_are_found_by_name_failure_and_command(
    history: History, query: str, first: int, score: float
) -> None:
    found = history.find_related(query)
    assert (found[0].action.span_id, found[0].score) == (identity(first), score)
    assert len(found) <= 10


def test_words_that_occur_nowhere_find_nothing(history: History) -> None:
    assert history.find_related("elephants") == []
    assert history.find_related("') OR elephants=elephants --") == []
    assert history.find_related("parcel", since=NOON + timedelta(hours=1)) == []


def test_related_actions_of_one_session_are_its_own(history: History) -> None:
    found = history.find_related("parcel", session="s-1")
    assert found
    assert {each.action.session for each in found} == {"s-1"}
    assert history.find_related("Bergen", session="routine-1") == []
    assert history.find_related("where", session="routine-1") == []


def test_statistics_are_those_of_the_typed_tables(history: History) -> None:
    found = history.statistics(session="s-1")
    by_name = {(each.kind, each.name): each for each in found.names}
    parcels = by_name["tool", "track_parcel"]
    assert (parcels.actions, parcels.failed, parcels.p50_s) == (2, 1, 0.5)
    calls = by_name["call", "gpt-x"]
    assert (calls.actions, calls.tokens, calls.cost_nano_usd) == (2, 240, 5_000_000)
    assert history.statistics().names[0].actions == 2 * ROUTINE + 2


def test_what_usually_comes_next_is_counted_over_sessions(history: History) -> None:
    after = [("call", "gpt-x"), ("tool", "track_parcel")]
    (first, *_) = history.next_actions(after=after, session="")
    assert (first.name, first.times, first.of) == ("gpt-x", ROUTINE, ROUTINE + 1)


def test_clusters_and_unusual_actions_of_stored_ones(history: History) -> None:
    largest = history.similar(8 + 4 * ROUTINE, session="")[0]
    assert len(largest.actions) == 2 * ROUTINE + 3
    (unusual,) = [
        each
        for each in history.unusual(session="")
        if each.action.failed and each.action.name == "track_parcel"
    ]
    assert unusual.reasons == ("it failed; track_parcel succeeds in 95.5 % of 22 times",)


class Letters:
    """Near where the same letters are: enough to see that nearness is what decides."""

    name = "letters"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [
            [float(text.lower().count(c)) + 0.01 for c in "abcdefghijklmnopqrstuvwxyz"]
            for text in texts
        ]


class Broken(Letters):
    name = "broken"

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[float("nan")]] * len(texts)


def test_with_an_embedder_actions_are_found_by_meaning(stored: Warehouse) -> None:
    history = History(stored, embedder=Letters(), clock=clock)
    written = history.index()
    assert written == 8 + 4 * ROUTINE
    assert history.index() == 0
    found = history.find_related("the depot in Bergen did not answer", limit=3, session="s-1")
    assert len(found) == 3
    assert found[0].score >= found[1].score >= found[2].score > 0
    assert {each.action.session for each in found} == {"s-1"}


def test_an_embedder_of_no_use_is_refused(stored: Warehouse) -> None:
    with pytest.raises(ValueError, match="one vector of finite numbers"):
        History(stored, embedder=Broken(), clock=clock).index()
