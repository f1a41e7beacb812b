"""From actions to trees, statuses and explanations."""

from hypothesis import given
from hypothesis import strategies as st

from spanledger.history.chain import by_session, chains, explain, told
from spanledger.history.kinds import STATUSES, status_of
from tests.history._actions import ENGLISH, action, container

ASKED = action(2, "call", "gpt-x", inside=1, tokens=120, cost_nano_usd=2_500_000)
FAILED = action(3, "tool", "search", "error", inside=1, error_type="Timeout", message="too slow")
AGAIN = action(4, "tool", "search", inside=1)
ANSWER = action(5, "call", "gpt-x", inside=1)
RUN = container(1, "agent", "clerk", 9, command="Where is parcel 17?")
EVERYTHING = [RUN, ASKED, FAILED, AGAIN, ANSWER]


def test_a_tool_is_explained_by_command_call_and_failure_before_it() -> None:
    found = explain(AGAIN, EVERYTHING, ENGLISH)
    assert found.command == "Where is parcel 17?"
    assert found.served == (told(EVERYTHING)[0],)
    assert found.failed_before == (FAILED,)
    assert found.depended_on == (ASKED,)
    assert found.led_to == (ANSWER,)
    assert found.again
    assert found.sentences == (
        "It was the tool search; status: success, after 500.0 ms.",
        "The command it served: “Where is parcel 17?”.",
        "It was a part of the agent clerk.",
        "It was asked for by a call of gpt-x.",
        "The same had failed before: this was a further try.",
        "Before it failed: the tool search (Timeout).",
        "It led to a call of gpt-x.",
    )


def test_a_call_was_given_what_tools_gave_since_the_last_call() -> None:
    found = explain(ANSWER, EVERYTHING, ENGLISH)
    assert found.depended_on == (FAILED, AGAIN)
    assert "It was given the results of the tool search, the tool search." in found.sentences


def test_a_call_led_to_what_it_asked_for_until_the_next_call() -> None:
    found = explain(ASKED, EVERYTHING, ENGLISH)
    assert found.led_to == (FAILED, AGAIN, ANSWER)
    assert "It cost $0.0025 and used 120 tokens." in found.sentences


def test_of_what_holds_others_the_parts_are_told() -> None:
    found = explain(RUN, EVERYTHING, ENGLISH)
    assert found.led_to == (ASKED, FAILED, AGAIN, ANSWER)


def test_another_sessions_failures_explain_nothing() -> None:
    theirs = action(1, status="error", session="theirs", trace_id="other")
    mine = action(2, session="mine")
    assert explain(mine, [theirs, mine], ENGLISH).failed_before == ()


def test_without_a_command_the_sentence_says_so() -> None:
    (_, second, *_) = explain(AGAIN, [AGAIN], ENGLISH).sentences
    assert second == "Which command it served was not recorded."


def test_a_refusal_is_told_with_its_rule() -> None:
    refused = action(1, "call", "gpt-x", "error", reason="budget_exceeded", rule="daily")
    sentences = explain(refused, [], ENGLISH).sentences
    assert "The guard refused it: budget_exceeded, by the rule daily." in sentences


def test_a_failure_that_was_followed_by_a_success_is_mended() -> None:
    assert chains([RUN, FAILED, AGAIN])[0].action.status == "completed"
    assert chains([RUN, FAILED])[0].action.status == "partial"


def test_a_chain_deeper_than_pythons_stack_is_no_problem() -> None:
    deep = [container(n, "operation", "step", 1, inside=n - 1) for n in range(1, 3_001)]
    (root,) = chains(deep)
    assert [depth for depth, _ in root.walk()] == list(range(3_000))


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(0, 12)), max_size=25))
def test_every_action_is_in_exactly_one_chain_unless_parents_form_a_circle(
    pairs: list[tuple[int, int]],
) -> None:
    """Parents before children: whatever came, in whatever order, nothing is lost or doubled."""
    known = {number: min(inside, number - 1) for number, inside in pairs}
    actions = [action(number, inside=inside) for number, inside in known.items()]
    walked = [each.identity for root in chains(actions) for _, each in root.walk()]
    assert sorted(walked) == sorted(each.identity for each in actions)


def test_sessions_are_told_apart_and_the_rest_by_trace() -> None:
    found = by_session([action(2, session="s"), action(1, session="s"), action(3)])
    assert {name: len(each) for name, each in found.items()} == {"s": 2, "t": 1}
    assert [each.span_id[-1] for each in found["s"]] == ["1", "2"]


def test_each_status_has_its_way() -> None:
    ways = {
        status_of("tool", failed=False): "success",
        status_of("tool", failed=True): "error",
        status_of("agent", failed=False): "completed",
        status_of("call", failed=False, stream="abandoned"): "incomplete",
        status_of("call", failed=False, finish_reasons=["length"]): "partial",
    }
    assert list(ways) == list(ways.values())
    assert set(ways) == set(STATUSES)
    assert status_of("session", failed=True, told="partial") == "partial"
    assert status_of("session", failed=True, told="splendid") == "error"
