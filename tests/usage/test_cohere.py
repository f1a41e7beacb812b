"""Usage blocks of Cohere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.usage import MISSING, Usage
from spanledger.usage.cohere import from_usage


def test_what_is_billed_counts_and_not_what_was_read() -> None:
    usage = {
        "billed_units": {"input_tokens": 5, "output_tokens": 4},
        "tokens": {"input_tokens": 71, "output_tokens": 4},
    }
    assert from_usage(usage) == Usage(input_tokens=5, output_tokens=4)


def test_without_billed_units_the_tokens_count() -> None:
    usage = {"tokens": {"input_tokens": 71.0, "output_tokens": 4.0}}
    assert from_usage(usage) == Usage(input_tokens=71, output_tokens=4)


def test_images_of_embeddings_are_input() -> None:
    assert from_usage({"billed_units": {"image_tokens": 900}}).input_tokens == 900


def test_what_was_cached_is_part_of_the_input() -> None:
    found = from_usage({"billed_units": {"input_tokens": 9}, "cached_tokens": 4})
    assert (found.input_tokens, found.cache_read_tokens) == (9, 4)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"billed_units": {"search_units": 1}},
        {"billed_units": {"input_tokens": "many", "output_tokens": 4}},
    ],
)
def test_what_has_no_tokens_is_missing(usage: object) -> None:
    assert from_usage(usage) == MISSING


@given(st.recursive(st.none() | st.integers() | st.text(), lambda v: st.dictionaries(
    st.sampled_from(["billed_units", "tokens", "input_tokens", "cached_tokens"]), v)))  # fmt: skip
def test_nothing_that_a_server_sends_raises(usage: object) -> None:
    found = from_usage(usage)
    assert 0 <= found.cache_read_tokens <= found.input_tokens
