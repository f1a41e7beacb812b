"""OpenAI's usage blocks, from its own client's objects and from all kinds of imitators."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletionChunk
from openai.types.completion_usage import CompletionUsage
from openai.types.responses import ResponseUsage

from spanledger.usage import MISSING, Usage
from spanledger.usage.openai import (
    from_chat,
    from_completions,
    from_embeddings,
    from_images,
    from_responses,
    from_transcription,
)

CHAT: dict[str, Any] = {
    "prompt_tokens": 1200,
    "completion_tokens": 900,
    "total_tokens": 2100,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0, "cache_write_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 640, "audio_tokens": 12},
}
CHAT_READ = Usage(
    input_tokens=1200,
    output_tokens=900,
    cache_read_tokens=1024,
    cache_write_tokens=64,
    reasoning_tokens=640,
    output_audio_tokens=12,
    service_tier="flex",
)
RESPONSES: dict[str, Any] = {
    "input_tokens": 1200,
    "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 0},
    "output_tokens": 900,
    "output_tokens_details": {"reasoning_tokens": 640},
    "total_tokens": 2100,
}


def test_a_dict_and_the_clients_object_read_the_same() -> None:
    client_object = CompletionUsage.model_validate(CHAT)
    assert from_chat(CHAT, service_tier="flex") == CHAT_READ
    assert from_chat(client_object, service_tier="flex") == CHAT_READ
    assert from_completions(client_object, service_tier="flex") == CHAT_READ


def test_the_usage_of_a_streams_last_chunk_is_read() -> None:
    chunk = ChatCompletionChunk.model_validate(
        {
            "id": "c",
            "choices": [],
            "created": 1,
            "model": "gpt-4o",
            "object": "chat.completion.chunk",
            "usage": CHAT,
        }
    )
    assert from_chat(chunk.usage, service_tier="flex") == CHAT_READ


def test_an_object_built_without_validation_is_read() -> None:
    """The client itself does so: whatever the server sent ends up in its fields."""
    loose = CompletionUsage.model_construct(
        prompt_tokens=10, completion_tokens=5, total_tokens=15, prompt_tokens_details=None, extra=1
    )
    assert from_chat(loose) == Usage(input_tokens=10, output_tokens=5)


def test_an_object_with_plain_attributes_is_read() -> None:
    plain = SimpleNamespace(
        prompt_tokens=10,
        completion_tokens=5,
        prompt_tokens_details=SimpleNamespace(cached_tokens=4),
    )
    assert from_chat(plain) == Usage(input_tokens=10, output_tokens=5, cache_read_tokens=4)


def test_responses_are_read_from_dict_and_object() -> None:
    expected = Usage(
        input_tokens=1200,
        output_tokens=900,
        cache_read_tokens=1024,
        reasoning_tokens=640,
        web_searches=2,
    )
    assert from_responses(RESPONSES, web_searches=2) == expected
    built = ResponseUsage.model_validate(RESPONSES)
    assert from_responses(built, web_searches=2) == expected


def test_images_and_realtime_name_their_parts_alike() -> None:
    assert from_responses(
        {
            "input_tokens": 500,
            "input_tokens_details": {"text_tokens": 200, "image_tokens": 300},
            "output_tokens": 1000,
            "output_tokens_details": {"text_tokens": 100, "image_tokens": 900},
        }
    ) == Usage(
        input_tokens=500, output_tokens=1000, input_image_tokens=300, output_image_tokens=900
    )
    assert from_responses(
        {
            "input_tokens": 100,
            "input_token_details": {
                "audio_tokens": 80,
                "cached_tokens": 60,
                "cached_tokens_details": {"audio_tokens": 50, "text_tokens": 10},
            },
            "output_tokens": 40,
            "output_token_details": {"audio_tokens": 30, "text_tokens": 10},
        }
    ) == Usage(
        input_tokens=100,
        output_tokens=40,
        cache_read_tokens=60,
        input_audio_tokens=80,
        cache_read_audio_tokens=50,
        output_audio_tokens=30,
    )


def test_audio_and_cache_that_do_not_fit_side_by_side_overlap() -> None:
    """80 audio and 60 cached of 100 tokens: at least 40 were both."""
    usage = from_chat(
        {
            "prompt_tokens": 100,
            "completion_tokens": 1,
            "prompt_tokens_details": {"audio_tokens": 80, "cached_tokens": 60},
        }
    )
    assert usage.cache_read_audio_tokens == 40


def test_embeddings_have_input_only() -> None:
    response = CreateEmbeddingResponse.model_validate(
        {
            "data": [],
            "model": "m",
            "object": "list",
            "usage": {"prompt_tokens": 8, "total_tokens": 8},
        }
    )
    assert from_embeddings(response.usage) == Usage(input_tokens=8)
    assert from_embeddings({"total_tokens": 8}) == Usage(input_tokens=8)
    for nothing in ({"prompt_tokens": 0}, {"prompt_tokens": "8"}, {}, None):
        assert from_embeddings(nothing) is MISSING


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        "usage",
        17,
        True,
        MagicMock(),
        {"prompt_tokens": None, "completion_tokens": None, "total_tokens": 15},
        {"prompt_tokens": 10},
        {"completion_tokens": 5, "total_tokens": 5},
        {"prompt_tokens": "10", "completion_tokens": "5"},
        {"prompt_tokens": True, "completion_tokens": False},
        {"prompt_tokens": -1, "completion_tokens": 5},
        {"prompt_tokens": 10, "completion_tokens": -5, "total_tokens": 15},
        {"prompt_tokens": float("nan"), "completion_tokens": 5},
        {"prompt_tokens": float("inf"), "completion_tokens": 5},
        {"prompt_tokens": 10.5, "completion_tokens": 5},
        {"prompt_tokens": 10**11, "completion_tokens": 5},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    ],
    # The same in every process: the representation of a mock holds its address.
    ids=lambda usage: "a mock" if isinstance(usage, MagicMock) else repr(usage),
)
def test_what_cannot_be_read_is_missing_and_not_zero(usage: object) -> None:
    assert from_chat(usage) is MISSING


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(10, 5)),
        ({"prompt_tokens": 10.0, "completion_tokens": 5.0}, Usage(10, 5)),
        ({"prompt_tokens": 10, "completion_tokens": 0}, Usage(10, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 5}, Usage(0, 5)),
        ({"prompt_tokens": 10, "total_tokens": 15}, Usage(10, 5)),
        ({"completion_tokens": 5, "total_tokens": 15}, Usage(10, 5)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": "x"}, Usage(10, 5)),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 3}, Usage(10, 5)),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": None},
            Usage(10, 5),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": []}, Usage(10, 5)),
    ],
    ids=repr,
)
def test_odd_but_readable_totals_are_read(usage: object, expected: Usage) -> None:
    assert from_chat(usage) == expected


@pytest.mark.parametrize("value", ["4", True, -4, float("nan"), [4], {"n": 4}, 4.5, 10**11])
def test_an_unreadable_part_stays_in_its_whole_and_is_marked(value: object) -> None:
    usage = from_chat(
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": value},
        }
    )
    assert usage == Usage(10, 5, source="estimated")


def test_thinking_that_only_the_total_knows_is_output() -> None:
    """xAI, and Gemini where it imitates OpenAI, leave it out of the completion."""
    usage = from_chat(
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 115,
            "completion_tokens_details": {"reasoning_tokens": 100},
        }
    )
    assert usage == Usage(10, 105, reasoning_tokens=100)


def test_cached_tokens_reported_beside_the_input_are_input() -> None:
    usage = from_chat(
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 10_015,
            "prompt_tokens_details": {"cached_tokens": 10_000},
        }
    )
    assert usage == Usage(10_010, 5, cache_read_tokens=10_000)


@pytest.mark.parametrize("field", ["prompt_cache_hit_tokens", "cached_tokens"])
def test_cached_tokens_at_the_top_are_found(field: str) -> None:
    usage = from_chat({"prompt_tokens": 10, "completion_tokens": 5, field: 4})
    assert usage == Usage(10, 5, cache_read_tokens=4)


def test_the_tier_of_the_response_is_kept_and_batch_marked() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    assert from_chat(usage, service_tier="priority").service_tier == "priority"
    assert from_chat({**usage, "service_tier": "Flex"}).service_tier == "flex"
    assert from_chat(usage, batch=True).batch


def test_an_object_whose_fields_raise_is_missing() -> None:
    class Hostile:
        @property
        def prompt_tokens(self) -> int:
            raise RuntimeError("no")

    assert from_chat(Hostile()) is MISSING


JUNK = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    *CHAT,
                    *RESPONSES,
                    "cached_tokens",
                    "reasoning_tokens",
                    "audio_tokens",
                    "cached_tokens_details",
                    "service_tier",
                ]
            ),
            inner,
            max_size=8,
        ),
    ),
    max_leaves=20,
)


@given(junk=JUNK)
def test_no_reply_whatever_makes_reading_fail_or_gives_a_negative_count(junk: object) -> None:
    for read in (from_chat, from_responses, from_embeddings):
        usage = read(junk)
        counts = (getattr(usage, name) for name in usage._fields)
        assert all(value >= 0 for value in counts if isinstance(value, int))
        assert usage is MISSING or usage.total_tokens > 0


def test_pictures_are_the_output_of_the_images_api() -> None:
    usage = {
        "input_tokens": 50,
        "output_tokens": 1056,
        "total_tokens": 1106,
        "input_tokens_details": {"text_tokens": 30, "image_tokens": 20},
    }
    assert from_images(usage) == Usage(
        input_tokens=50, output_tokens=1056, input_image_tokens=20, output_image_tokens=1056
    )


def test_text_in_the_output_of_the_images_api_is_no_picture() -> None:
    details = {"text_tokens": 56, "image_tokens": 1000}
    usage = {"input_tokens": 50, "output_tokens": 1056, "output_tokens_details": details}
    assert from_images(usage).output_image_tokens == 1000


def test_what_a_second_model_drew_makes_the_usage_an_estimate() -> None:
    usage = {"input_tokens": 50, "output_tokens": 1000, "total_tokens": 1050}
    drawn = {"input_tokens": 10, "output_tokens": 200, "total_tokens": 210, "model": "gpt-5"}
    found = from_images(usage, drawn)
    assert (found.input_tokens, found.output_tokens, found.source) == (60, 1200, "estimated")
    assert found.output_image_tokens == 1000


def test_pictures_without_a_usage_are_missing_and_not_nothing() -> None:
    assert from_images(None) == MISSING


def test_a_transcription_says_its_tokens_of_sound() -> None:
    details = {"audio_tokens": 90, "text_tokens": 10}
    usage = {
        "type": "tokens",
        "input_tokens": 100,
        "output_tokens": 20,
        "input_token_details": details,
    }
    found = from_transcription(usage)
    assert (found.input_tokens, found.input_audio_tokens, found.output_tokens) == (100, 90, 20)


def test_a_transcription_that_is_billed_by_the_second_has_no_tokens() -> None:
    assert from_transcription({"type": "duration", "seconds": 12.5}) == MISSING
