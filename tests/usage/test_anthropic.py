"""Anthropic's usage blocks, plain and streamed."""

from types import SimpleNamespace
from typing import Any

import pytest
from anthropic.types import Message, MessageDeltaUsage
from anthropic.types import Usage as AnthropicUsage
from hypothesis import given
from hypothesis import strategies as st

from spanledger.usage import MISSING, Usage
from spanledger.usage.anthropic import from_message, merge_stream

MESSAGE: dict[str, Any] = {
    "input_tokens": 7000,
    "output_tokens": 400,
    "cache_read_input_tokens": 1000,
    "cache_creation_input_tokens": 2000,
    "cache_creation": {"ephemeral_5m_input_tokens": 1500, "ephemeral_1h_input_tokens": 500},
    "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 0},
    "service_tier": "standard",
}
MESSAGE_READ = Usage(
    input_tokens=10_000,
    output_tokens=400,
    cache_read_tokens=1000,
    cache_write_tokens=2000,
    cache_write_1h_tokens=500,
    web_searches=3,
    service_tier="standard",
)


def test_cache_tokens_become_part_of_the_input() -> None:
    assert from_message(MESSAGE) == MESSAGE_READ
    assert from_message(AnthropicUsage.model_validate(MESSAGE)) == MESSAGE_READ


def test_the_usage_of_a_whole_message_is_read() -> None:
    message = Message.model_validate(
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-4-5",
            "content": [],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 10, "output_tokens": 5},
        }
    )
    assert from_message(message.usage) == Usage(10, 5)


def test_an_object_with_plain_attributes_is_read() -> None:
    assert from_message(SimpleNamespace(input_tokens=10, output_tokens=5)) == Usage(10, 5)


def test_a_call_served_from_the_cache_alone_is_read() -> None:
    usage = from_message({"input_tokens": 0, "output_tokens": 0, "cache_read_input_tokens": 100})
    assert usage == Usage(100, 0, cache_read_tokens=100)


def test_writes_by_their_life_make_up_a_missing_sum() -> None:
    usage = from_message(
        {
            "input_tokens": 1,
            "output_tokens": 1,
            "cache_creation_input_tokens": None,
            "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 20},
        }
    )
    assert (usage.input_tokens, usage.cache_write_tokens, usage.cache_write_1h_tokens) == (
        51,
        50,
        20,
    )


def test_thinking_fast_mode_and_batch_are_told_apart() -> None:
    base = {"input_tokens": 10, "output_tokens": 50}
    thought = from_message({**base, "output_tokens_details": {"thinking_tokens": 40}})
    assert thought.reasoning_tokens == 40
    fast = from_message({**base, "service_tier": "standard", "speed": "fast"})
    assert (fast.service_tier, fast.batch) == ("fast", False)
    slow = from_message({**base, "service_tier": "priority", "speed": "standard"})
    assert slow.service_tier == "priority"
    batch = from_message({**base, "service_tier": "batch"})
    assert (batch.service_tier, batch.batch) == ("batch", True)


def test_the_last_delta_completes_the_start_of_a_stream() -> None:
    start = AnthropicUsage.model_validate({**MESSAGE, "output_tokens": 1, "server_tool_use": None})
    delta = MessageDeltaUsage.model_validate(
        {
            "output_tokens": 400,
            "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 0},
        }
    )
    assert merge_stream(start, delta) == MESSAGE_READ


def test_counts_of_a_delta_are_cumulative_and_not_added() -> None:
    start = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 100}
    delta = {"input_tokens": 30, "output_tokens": 20, "cache_read_input_tokens": 200}
    assert merge_stream(start, delta) == Usage(230, 20, cache_read_tokens=200)


def test_a_delta_that_says_zero_does_not_make_the_input_free() -> None:
    start = {"input_tokens": 1000, "output_tokens": 1, "cache_read_input_tokens": 100}
    delta = {"input_tokens": 0, "output_tokens": 20, "cache_read_input_tokens": 0}
    assert merge_stream(start, delta) == Usage(1100, 20, cache_read_tokens=100)


def test_a_stream_cut_before_its_delta_is_estimated() -> None:
    usage = merge_stream({"input_tokens": 1000, "output_tokens": 1}, None)
    assert usage == Usage(1000, 1, source="estimated")


def test_a_stream_without_a_start_is_read_from_its_delta_if_that_says_all() -> None:
    assert merge_stream(None, {"input_tokens": 10, "output_tokens": 5}) == Usage(10, 5)
    assert merge_stream(None, {"output_tokens": 5}) is MISSING
    assert merge_stream(None, None) is MISSING


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        "usage",
        {"input_tokens": 10},
        {"output_tokens": 10},
        {"input_tokens": "10", "output_tokens": 5},
        {"input_tokens": True, "output_tokens": 5},
        {"input_tokens": 10, "output_tokens": -5},
        {"input_tokens": 10, "output_tokens": float("nan")},
        {"input_tokens": 0, "output_tokens": 0},
    ],
    ids=repr,
)
def test_what_cannot_be_read_is_missing_and_not_zero(usage: object) -> None:
    assert from_message(usage) is MISSING


def test_an_unreadable_part_marks_the_usage_as_estimated() -> None:
    usage = from_message({"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": "9"})
    assert usage == Usage(10, 5, source="estimated")


FIELDS = st.sampled_from(
    [*MESSAGE, "ephemeral_1h_input_tokens", "web_search_requests", "speed", "output_tokens_details"]
)
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(FIELDS, inner, max_size=8)
    ),
    max_leaves=20,
)


@given(start=JUNK, delta=JUNK)
def test_no_reply_whatever_makes_reading_fail_or_gives_a_negative_count(
    start: object, delta: object
) -> None:
    usage = merge_stream(start, delta)
    counts = (getattr(usage, name) for name in usage._fields)
    assert all(value >= 0 for value in counts if isinstance(value, int))
    assert usage is MISSING or usage.total_tokens > 0
