"""What each strategy keeps, asks and tells."""

import asyncio
from typing import Any

import pytest

from spanledger.context import (
    ContextError,
    ContextTooSmall,
    InvalidMessage,
    SummaryFailed,
    acompress,
    asummarize,
    compress,
    count_tokens,
    extractive_summary,
    keep_important,
    sliding_window,
    summarize,
)
from spanledger.testing.spans import SpanCapture
from spanledger.track import agent
from tests.context._talks import CLAUDE, OPENAI, Talk, openai_call

PROSE = "The parcel left the harbour on Monday and nobody has seen it since. "


def talk(number: int, words: int = 20) -> list[dict[str, Any]]:
    return [
        {"role": "assistant" if i % 2 else "user", "content": f"{i}: " + "word " * words}
        for i in range(number)
    ]


def test_a_window_is_the_newest_messages_without_a_hole() -> None:
    done = sliding_window(talk(10), 110, model=OPENAI)

    assert done.kept == tuple(range(10 - len(done.kept), 10))
    assert 0 < len(done.kept) < 10
    assert done.saved_tokens == done.tokens_before - done.tokens_after > 0


def test_of_two_messages_of_one_size_the_more_important_stays() -> None:
    messages = talk(6)

    done = keep_important(messages, 60, model=OPENAI, keep_last=1, priorities={2: 1.0, 3: 0.0})

    assert done.kept == (2, 5)


def test_results_of_tools_that_are_dropped_take_their_calls_with_them() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [openai_call("a")]}
    result = {"role": "tool", "tool_call_id": "a", "content": "word " * 200}
    messages: Talk = [{"role": "user", "content": "find it"}, call, result, *talk(2)]

    done = keep_important(messages, 120, model=OPENAI, keep_last=2)

    assert done.dropped == (1, 2)


def test_pins_that_are_larger_than_the_limit_are_a_clear_error() -> None:
    with pytest.raises(ContextTooSmall, match="pin less"):
        sliding_window(talk(4), 40, model=OPENAI, pinned=[0, 1])


@pytest.mark.parametrize("ratio", [0, -1, 1.5])
def test_a_ratio_outside_of_0_to_1_is_refused(ratio: float) -> None:
    with pytest.raises(ContextError, match="above 0 and at most 1"):
        compress(talk(2), ratio, model=OPENAI)


def test_what_is_no_message_is_named_by_its_place() -> None:
    with pytest.raises(InvalidMessage, match="message 1"):
        sliding_window([*talk(1), {"role": "user", "content": 17}], 100, model=OPENAI)


class Asked:
    """A summariser that notes what it was asked."""

    def __init__(self, answer: str = "They spoke of a parcel.") -> None:
        self.answer = answer
        self.questions: list[tuple[int, int]] = []

    def __call__(self, text: str, max_tokens: int) -> str:
        self.questions.append((count_tokens(text, OPENAI).tokens, max_tokens))
        return self.answer

    async def later(self, text: str, max_tokens: int) -> str:
        await asyncio.sleep(0)
        return self(text, max_tokens)


def test_a_summary_stands_where_the_first_message_went() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *talk(12)]
    asked = Asked()

    done = summarize(messages, 200, asked, model=OPENAI, summary_tokens=60)

    assert done.messages[0] == messages[0]
    assert done.messages[1]["content"].endswith(asked.answer)
    assert done.summary == asked.answer
    assert len(asked.questions) == 1


def test_a_long_text_is_summarised_in_chunks_and_the_summaries_again() -> None:
    asked = Asked(PROSE * 3)

    done = summarize(talk(60, 40), 400, asked, model=OPENAI, chunk_tokens=300)

    assert len(asked.questions) > 5
    assert max(tokens for tokens, _ in asked.questions) <= 300
    assert done.tokens_after <= 400


def test_an_answer_beyond_its_budget_is_cut() -> None:
    done = summarize(talk(30), 200, Asked(PROSE * 50), model=OPENAI, summary_tokens=60)

    assert done.tokens_after <= 200
    assert done.summary is not None
    assert done.summary.endswith("…")


def test_async_strategies_do_what_the_plain_ones_do() -> None:
    asked = Asked()
    plain = summarize(talk(20), 200, asked, model=OPENAI)
    half = compress(talk(20), 0.5, model=OPENAI, summariser=asked)

    assert asyncio.run(asummarize(talk(20), 200, asked.later, model=OPENAI)) == plain
    assert asyncio.run(acompress(talk(20), 0.5, asked.later, model=OPENAI)) == half


@pytest.mark.parametrize("answer", ["", "  \n"])
def test_an_empty_summary_is_an_error_and_no_loss(answer: str) -> None:
    with pytest.raises(SummaryFailed, match="nothing was changed"):
        summarize(talk(20), 200, Asked(answer), model=OPENAI)


def test_too_small_a_summary_is_refused_before_anything_is_asked() -> None:
    asked = Asked()
    with pytest.raises(ContextError, match="says nothing"):
        summarize(talk(20), 200, asked, model=OPENAI, summary_tokens=5)
    assert asked.questions == []


def test_the_built_in_summariser_picks_sentences_and_keeps_its_budget() -> None:
    text = "Parcel 17 is late. It rains. Parcel 17 was seen in the harbour. Parcel 17 is blue."

    summary = extractive_summary(text, 10)

    assert summary == "Parcel 17 was seen in the harbour."
    assert count_tokens(summary, OPENAI).tokens <= 10


def test_the_blocks_of_two_messages_of_the_user_become_one_with_results_first() -> None:
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "4"}
    messages: Talk = [
        {"role": "user", "content": "a " * 80},
        {"role": "assistant", "content": "b " * 80},
        {"role": "user", "content": "sum it"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
        {"role": "user", "content": "and now?"},
    ]

    done = sliding_window(messages, 150, model=CLAUDE)

    assert [message["role"] for message in done.messages] == ["user", "assistant", "user"]
    assert done.messages[-1]["content"] == [result, {"type": "text", "text": "and now?"}]


def test_a_compression_is_an_event_on_the_span_that_is_open(captured_spans: SpanCapture) -> None:
    with agent("writer"):
        done = sliding_window(talk(10), 110, model=OPENAI)

    (span,) = captured_spans.named("invoke_agent writer")
    (event,) = span["events"]
    assert event["name"] == "context compressed"
    assert event["attributes"]["spanledger.event.tokens_saved"] == done.saved_tokens
    assert event["attributes"]["spanledger.event.messages_dropped"] == len(done.dropped)
    assert "word" not in str(event["attributes"])


def test_a_summary_has_a_span_of_its_own(captured_spans: SpanCapture) -> None:
    with agent("writer"):
        summarize(talk(20), 200, Asked(), model=OPENAI)

    (span,) = captured_spans.named("compress context")
    assert [event["name"] for event in span["events"]] == ["context compressed"]
