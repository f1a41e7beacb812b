"""Counting, analysing, prioritising, and the five verbs that say so in JSON."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.context import (
    Block,
    ContextError,
    ContextTooSmall,
    InvalidMessage,
    ModelUnknown,
    analyze,
    count_messages,
    count_tokens,
    prioritise,
    verbs,
)
from spanledger.pricing import price
from spanledger.usage import Usage
from tests.context._talks import CLAUDE, OPENAI, TEXTS, openai_call

AT_S = 1_795_176_000.0


def talk(number: int = 8) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": f"sentence {i} " * 12} for i in range(number)]


def test_openais_published_example_is_counted_to_the_token() -> None:
    """Three tokens a message, three for the answer's beginning, the name of a role is one."""
    import tiktoken  # noqa: F401 - the encoding that is counted with

    found = count_messages([{"role": "user", "content": "hello world"}], OPENAI)

    assert found == (2 + 3 + 3, "tiktoken:o200k_base", True)


@pytest.mark.parametrize(
    "model", [CLAUDE, "claude-opus-4-8", "gemini-2.5-pro", "mistral-large", "qwen3", "nobody/x"]
)
@given(text=TEXTS)
def test_an_estimate_says_so_and_is_never_below_the_public_encoding(model: str, text: str) -> None:
    found = count_tokens(text, model)

    assert not found.exact
    assert found.method.startswith("estimate:")
    assert found.tokens >= count_tokens(text, OPENAI).tokens


@given(first=TEXTS, second=TEXTS)
def test_a_conversation_counts_as_the_sum_of_its_messages(first: str, second: str) -> None:
    one = [{"role": "user", "content": first}]
    two = [{"role": "assistant", "content": second}]
    empty = count_messages([], OPENAI).tokens

    whole = count_messages(one + two, OPENAI).tokens

    parts = count_messages(one, OPENAI).tokens + count_messages(two, OPENAI).tokens
    assert whole == parts - empty


def test_an_analysis_has_tokens_cost_share_and_importance_of_each_message() -> None:
    messages = talk()

    found = analyze(messages, OPENAI, expected_output_tokens=100, at_s=AT_S)

    assert found.tokens == count_messages(messages, OPENAI).tokens
    assert found.window_tokens == 128_000
    assert found.utilisation == round(found.tokens / 128_000, 4)
    bill = price("openai", OPENAI, Usage(found.tokens, 100), at=AT_S)
    assert found.next_call_nano_usd == bill.nano_usd
    assert sum(message.tokens for message in found.messages) == found.tokens - 3
    assert all(0 <= message.importance <= 1 for message in found.messages)
    assert found.recommendations == ()


def test_importance_grows_with_recency_role_and_being_referred_to() -> None:
    messages = [
        {"role": "user", "content": "nothing in particular"},
        {"role": "user", "content": "remember invoice alpha"},
        {"role": "user", "content": "sunny weather today"},
        {"role": "assistant", "content": "well certainly"},
        {"role": "user", "content": "where has invoice alpha gone"},
    ]

    first, referred, third, answer, _ = analyze(messages, OPENAI).messages

    assert referred.importance > third.importance > first.importance
    assert answer.importance < third.importance
    told = analyze(messages, OPENAI, priorities={0: 0.97}).messages[0]
    assert told.importance == 0.97


@pytest.mark.parametrize(
    ("messages", "options", "word"),
    [
        (talk(40), {"window_tokens": 1200}, "will be refused"),
        (talk(40), {"window_tokens": 1600}, "compress it"),
        ([*talk(4), {"role": "user", "content": "w " * 900}], {}, "message 4 alone"),
        ([{"role": "user", "content": "same " * 60}] * 2, {}, "says what message 0 says"),
        ([{"role": "system", "content": "rule " * 600}, *talk(5)], {}, "the system prompt is"),
        ([{"role": "tool", "tool_call_id": "x", "content": "4"}], {}, "without"),
    ],
)
def test_recommendations_say_in_words_what_to_do(
    messages: list[dict[str, Any]], options: dict[str, Any], word: str
) -> None:
    assert word in " ".join(analyze(messages, OPENAI, **options).recommendations)


def test_an_unknown_model_is_analysed_without_inventing_its_price_or_window() -> None:
    found = analyze(talk(), "nobody/x")

    assert (found.window_tokens, found.utilisation, found.next_call_nano_usd) == (None, None, None)
    assert len(found.recommendations) == 3


BLOCKS = st.lists(
    st.builds(Block, TEXTS, st.integers(0, 500), st.floats(0, 1), st.just(value=False)), max_size=12
)


@given(blocks=BLOCKS, budget=st.integers(0, 1500))
def test_prioritised_blocks_never_exceed_the_budget_and_none_that_fits_is_left_out(
    blocks: list[Block], budget: int
) -> None:
    found = prioritise(blocks, budget_tokens=budget)

    assert found.tokens == sum(block.tokens for block in found.kept) <= budget
    assert len(found.kept) + len(found.dropped) == len(blocks)
    assert all(found.tokens + block.tokens > budget for block in found.dropped)
    left = iter(blocks)
    assert all(block in left for block in found.kept), "the order is the given one"


def test_of_blocks_that_matter_alike_the_dearest_goes_first() -> None:
    blocks = [Block("page", 900), Block("note", 100), Block("rule", 300, pinned=True)]

    found = prioritise(blocks, budget_tokens=500)

    assert [block.name for block in found.kept] == ["note", "rule"]


@pytest.mark.parametrize("usd", ["0.0000001", "0.01", "1.5"])
def test_a_budget_in_money_is_as_many_tokens_as_it_pays_for(usd: str) -> None:
    found = prioritise([], budget_usd=usd, model=OPENAI, expected_output_tokens=0, at_s=AT_S)

    nano = int(Decimal(usd) * 10**9)
    paid = price("openai", OPENAI, Usage(found.budget_tokens), at=AT_S).nano_usd
    more = price("openai", OPENAI, Usage(found.budget_tokens + 1), at=AT_S).nano_usd
    assert paid is not None
    assert more is not None
    assert paid <= nano < more


def test_a_budget_that_can_not_be_kept_or_read_is_an_error() -> None:
    with pytest.raises(ContextTooSmall):
        prioritise([Block("rule", 300, pinned=True)], budget_tokens=100)
    with pytest.raises(ModelUnknown, match="price"):
        prioritise([], budget_usd="1", model="nobody/x")
    wrong: list[dict[str, Any]] = [{}, {"budget_tokens": 1, "budget_usd": 1}, {"budget_usd": "x"}]
    for budgets in wrong:
        with pytest.raises(ContextError):
            prioritise([], model=OPENAI, **budgets)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: verbs.context_analyze(talk(), OPENAI),
        lambda: verbs.context_optimize(talk(), OPENAI, 200),
        lambda: verbs.context_truncate(talk(), CLAUDE, 300),
        lambda: verbs.context_summarize(talk(20), OPENAI, 300),
        lambda: verbs.context_estimate_tokens(OPENAI, text="hello"),
        lambda: verbs.context_estimate_tokens(OPENAI, messages=talk()),
    ],
)
def test_a_verb_answers_in_plain_json(answer: Any) -> None:
    given = answer()
    assert json.loads(json.dumps(given)) == given


def test_verbs_say_what_the_functions_say() -> None:
    messages = [*talk(2), {"role": "assistant", "content": None, "tool_calls": [openai_call("x")]}]
    found = analyze(messages, OPENAI)

    assert verbs.context_analyze(messages, OPENAI)["tokens"] == found.tokens
    estimate = verbs.context_estimate_tokens(OPENAI, messages=messages)
    assert estimate["tokens"] == found.tokens
    with pytest.raises(ContextError, match="either"):
        verbs.context_estimate_tokens(OPENAI)
    with pytest.raises(InvalidMessage):
        verbs.context_analyze([{"role": "robot"}], OPENAI)
