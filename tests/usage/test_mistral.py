"""Usage blocks of Mistral."""

import pytest

from spanledger.usage import MISSING, Usage
from spanledger.usage.mistral import from_chat, from_conversation

PLAIN = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


def test_a_completion_is_read() -> None:
    assert from_chat(PLAIN) == Usage(input_tokens=10, output_tokens=4)


@pytest.mark.parametrize(
    "more", [{"num_cached_tokens": 6}, {"prompt_tokens_details": {"cached_tokens": 6}}]
)
def test_what_was_cached_is_part_of_the_input(more: dict[str, object]) -> None:
    found = from_chat({**PLAIN, **more})
    assert (found.input_tokens, found.cache_read_tokens) == (10, 6)


def test_a_recording_makes_the_usage_an_estimate() -> None:
    assert from_chat({**PLAIN, "prompt_audio_seconds": 3}).source == "estimated"
    assert from_chat({**PLAIN, "prompt_audio_seconds": None}).source == "provider"


@pytest.mark.parametrize(("said", "read"), [("priority", "priority"), ("standard", None)])
def test_a_tier_is_named_if_it_is_not_the_plain_one(said: str, read: str | None) -> None:
    assert from_chat({**PLAIN, "service_tier": said}).service_tier == read


def test_what_connectors_read_is_input_of_a_conversation() -> None:
    found = from_conversation({**PLAIN, "connector_tokens": 100, "total_tokens": 114})
    assert (found.input_tokens, found.output_tokens) == (110, 4)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0}, "x"])
def test_what_cannot_be_read_is_missing(usage: object) -> None:
    assert from_chat(usage) == MISSING
    assert from_conversation(usage) == MISSING
