"""Usage as LiteLLM writes it."""

import pytest

from spanledger.usage import MISSING, Usage
from spanledger.usage.litellm import from_chat

PLAIN = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}


def test_a_plain_usage_is_read() -> None:
    assert from_chat(PLAIN) == Usage(input_tokens=1000, output_tokens=50)


@pytest.mark.parametrize(
    "more",
    [
        {"cache_creation_input_tokens": 300},
        {"prompt_tokens_details": {"cache_creation_tokens": 300}},
        {"prompt_tokens_details": {"cache_write_tokens": 300}},
    ],
)
def test_what_was_written_to_the_cache_is_part_of_the_input(more: dict[str, object]) -> None:
    found = from_chat({**PLAIN, **more})
    assert (found.input_tokens, found.cache_write_tokens) == (1000, 300)


def test_what_is_kept_for_an_hour_is_known() -> None:
    lives = {"ephemeral_1h_input_tokens": 100, "ephemeral_5m_input_tokens": 200}
    details = {"cache_creation_tokens": 300, "cache_creation_token_details": lives}
    found = from_chat({**PLAIN, "prompt_tokens_details": details})
    assert (found.cache_write_tokens, found.cache_write_1h_tokens) == (300, 100)


def test_nothing_is_missing() -> None:
    assert from_chat(None) == MISSING
