"""Usage of Gemini's dialect."""

from typing import Any

import pytest
from google.genai.types import GenerateContentResponseUsageMetadata
from hypothesis import given
from hypothesis import strategies as st

from spanledger.usage import MISSING, Usage
from spanledger.usage.google import (
    from_embeddings,
    from_generate_content,
    from_predictions,
    grounded_searches,
)

FULL: dict[str, Any] = {
    "promptTokenCount": 1000,
    "candidatesTokenCount": 300,
    "thoughtsTokenCount": 200,
    "toolUsePromptTokenCount": 50,
    "cachedContentTokenCount": 400,
    "totalTokenCount": 1550,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 700},
        {"modality": "AUDIO", "tokenCount": 100},
        {"modality": "IMAGE", "tokenCount": 200},
    ],
    "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 40}],
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 258}],
    "toolUsePromptTokensDetails": [{"modality": "IMAGE", "tokenCount": 7}],
}
READ = Usage(
    input_tokens=1050,
    output_tokens=500,
    cache_read_tokens=400,
    reasoning_tokens=200,
    input_audio_tokens=100,
    cache_read_audio_tokens=40,
    input_image_tokens=207,
    output_image_tokens=258,
)


def test_thoughts_are_output_and_results_of_tools_are_input() -> None:
    assert from_generate_content(FULL) == READ


def test_the_clients_object_reads_like_the_wire() -> None:
    made = GenerateContentResponseUsageMetadata.model_validate(FULL)
    assert from_generate_content(made) == READ


def test_a_count_that_is_left_out_is_nothing() -> None:
    assert from_generate_content({"promptTokenCount": 8, "totalTokenCount": 8}) == Usage(8, 0)


def test_what_only_the_total_holds_is_thinking() -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 40}
    assert from_generate_content(usage) == Usage(10, 30, reasoning_tokens=25)


@pytest.mark.parametrize(
    ("fields", "tier"),
    [
        ({"trafficType": "ON_DEMAND"}, None),
        ({"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({"serviceTier": "standard"}, None),
        ({"serviceTier": "FLEX"}, "flex"),
    ],
)
def test_the_way_in_which_it_was_served_is_its_tier(
    fields: dict[str, str], tier: str | None
) -> None:
    assert from_generate_content({**FULL, **fields}).service_tier == tier


@pytest.mark.parametrize(
    "usage",
    [None, {}, "usage", {"promptTokenCount": "9"}, {"candidatesTokenCount": -5}, {"x": 1}],
    ids=repr,
)
def test_what_cannot_be_read_is_missing_and_not_zero(usage: object) -> None:
    assert from_generate_content(usage) is MISSING


def test_an_unreadable_part_marks_the_usage_as_estimated() -> None:
    usage = from_generate_content({"promptTokenCount": 9, "thoughtsTokenCount": "3"})
    assert usage == Usage(9, 0, source="estimated")


def test_embeddings_have_no_output() -> None:
    assert from_embeddings({"promptTokenCount": 9, "totalTokenCount": 9}) == Usage(9)
    assert from_embeddings(None).source == "missing"


def test_the_older_embeddings_of_vertex_count_each_text() -> None:
    one = {"embeddings": {"values": [0.5], "statistics": {"token_count": 3.0, "truncated": False}}}
    assert from_predictions([one, one]) == Usage(6)


@pytest.mark.parametrize("predictions", [None, [], [{"bytesBase64Encoded": "aW1n"}], "text"])
def test_pictures_have_no_tokens(predictions: object) -> None:
    assert from_predictions(predictions) is MISSING


CANDIDATES = [{"groundingMetadata": {"webSearchQueries": ["a", "b"]}}, {"index": 1}]


def test_each_query_is_a_search_and_up_to_gemini_two_each_answer() -> None:
    assert grounded_searches(CANDIDATES, "gemini-3-flash-preview") == 2
    assert grounded_searches(CANDIDATES, "gemini-2.5-flash") == 1
    assert grounded_searches([{}], "gemini-2.5-flash") == 0


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([*FULL, "modality", "tokenCount", "statistics"]), inner, max_size=8
        ),
    ),
    max_leaves=20,
)


@given(usage=JUNK)
def test_no_reply_whatever_makes_reading_fail_or_gives_a_negative_count(usage: object) -> None:
    for read in (from_generate_content, from_embeddings, from_predictions):
        found = read(usage)
        counts = (getattr(found, name) for name in found._fields)
        assert all(value >= 0 for value in counts if isinstance(value, int))
    assert grounded_searches(usage, "gemini-3-pro") >= 0


@given(
    prompt=st.integers(0, 10**6),
    made=st.integers(0, 10**6),
    thoughts=st.integers(0, 10**6),
    tools=st.integers(0, 10**6),
)
def test_input_and_output_are_the_total(prompt: int, made: int, thoughts: int, tools: int) -> None:
    total = prompt + made + thoughts + tools
    usage = from_generate_content(
        {
            "promptTokenCount": prompt,
            "candidatesTokenCount": made,
            "thoughtsTokenCount": thoughts,
            "toolUsePromptTokenCount": tools,
            "totalTokenCount": total,
        }
    )
    assert usage is MISSING or usage.total_tokens == total
