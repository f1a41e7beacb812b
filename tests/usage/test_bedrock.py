"""Usage of Converse, and of what the models behind InvokeModel say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.usage import MISSING, Usage
from spanledger.usage.bedrock import from_converse, from_headers, from_invoke, from_metrics

CONVERSE: dict[str, Any] = {
    "inputTokens": 700,
    "outputTokens": 500,
    "totalTokens": 1500,
    "cacheReadInputTokens": 100,
    "cacheWriteInputTokens": 200,
    "cacheDetails": [{"ttl": "5m", "inputTokens": 150}, {"ttl": "1h", "inputTokens": 50}],
}


def test_cache_tokens_become_part_of_the_input() -> None:
    assert from_converse(CONVERSE) == Usage(
        1000, 500, cache_read_tokens=100, cache_write_tokens=200, cache_write_1h_tokens=50
    )


@pytest.mark.parametrize(("tier", "read"), [("default", None), ("flex", "flex"), (None, None)])
def test_a_tier_that_is_not_the_usual_one_is_kept(tier: str | None, read: str | None) -> None:
    assert from_converse(CONVERSE, service_tier=tier).service_tier == read


#: A reply of each family, for 1000 tokens in and 500 out.
BODIES: dict[str, dict[str, Any]] = {
    "anthropic": {"content": [], "usage": {"input_tokens": 1000, "output_tokens": 500}},
    "nova": {"output": {}, "usage": {"inputTokens": 1000, "outputTokens": 500}},
    "titan": {"inputTextTokenCount": 1000, "results": [{"tokenCount": 300}, {"tokenCount": 200}]},
    "titan-chunk": {"inputTextTokenCount": 1000, "totalOutputTextTokenCount": 500},
    "llama": {"generation": "", "prompt_token_count": 1000, "generation_token_count": 500},
    "ai21": {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 500}},
    "cohere": {"meta": {"billed_units": {"input_tokens": 1000, "output_tokens": 500}}},
}


@pytest.mark.parametrize("family", BODIES)
def test_each_familys_own_words_are_read(family: str) -> None:
    assert from_invoke(BODIES[family]) == Usage(1000, 500)


def test_novas_cache_is_part_of_its_input() -> None:
    usage = {"inputTokens": 700, "outputTokens": 5, "cacheReadInputTokenCount": 300}
    assert from_invoke({"usage": usage}) == Usage(1000, 5, cache_read_tokens=300)


def test_an_embedding_counts_its_text() -> None:
    assert from_invoke({"embedding": [0.5], "inputTextTokenCount": 7}) == Usage(7)


@pytest.mark.parametrize(
    "body", [{"outputs": [{"text": "a"}]}, {"choices": [{"text": "a"}]}, {"text": "a"}, None, "x"]
)
def test_a_body_that_says_nothing_is_missing(body: object) -> None:
    assert from_invoke(body) is MISSING


HEADERS = {
    "x-amzn-bedrock-input-token-count": "700",
    "x-amzn-bedrock-output-token-count": "500",
    "x-amzn-bedrock-cache-read-input-token-count": "100",
    "x-amzn-bedrock-cache-write-input-token-count": "200",
}


def test_the_headers_say_what_a_body_does_not() -> None:
    assert from_headers(HEADERS) == Usage(1000, 500, cache_read_tokens=100, cache_write_tokens=200)
    assert from_headers({"x-amzn-bedrock-input-token-count": "9"}) == Usage(9)


@pytest.mark.parametrize(
    "headers", [None, {}, {"x-amzn-bedrock-input-token-count": "many"}, {"content-type": "a/b"}]
)
def test_headers_without_a_count_are_missing(headers: object) -> None:
    assert from_headers(headers) is MISSING


def test_the_metrics_at_the_end_of_a_stream_are_read() -> None:
    metrics = {"inputTokenCount": 10, "outputTokenCount": 5, "invocationLatency": 100}
    assert from_metrics(metrics) == Usage(10, 5)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"outputTokens": 5},
        {"inputTokens": "5", "outputTokens": 5},
        {"inputTokens": 5, "outputTokens": -1},
        {"inputTokens": 0, "outputTokens": 0},
    ],
    ids=repr,
)
def test_what_cannot_be_read_is_missing_and_not_zero(usage: object) -> None:
    assert from_converse(usage) is MISSING


def test_an_unreadable_part_marks_the_usage_as_estimated() -> None:
    usage = from_converse({"inputTokens": 9, "outputTokens": 1, "cacheReadInputTokens": "3"})
    assert usage == Usage(9, 1, source="estimated")


FIELDS = st.sampled_from(
    [*CONVERSE, *HEADERS, "usage", "meta", "billed_units", "results", "tokenCount", "ttl",
     "inputTextTokenCount", "generation_token_count", "prompt_token_count", "input_tokens"]
)  # fmt: skip
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(FIELDS, inner, max_size=8)
    ),
    max_leaves=20,
)


@given(reply=JUNK)
def test_no_reply_whatever_makes_reading_fail_or_gives_a_negative_count(reply: object) -> None:
    for read in (from_converse, from_invoke, from_headers, from_metrics):
        usage = read(reply)
        counts = (getattr(usage, name) for name in usage._fields)
        assert all(value >= 0 for value in counts if isinstance(value, int))
        assert usage.source == "missing" or usage.total_tokens > 0
        assert usage.cache_write_1h_tokens <= usage.cache_write_tokens
