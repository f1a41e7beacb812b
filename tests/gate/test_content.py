"""How much of a request there is to read: the bound that every reservation rests on."""

import base64
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.guard import Budget, BudgetExceeded, Policy
from spanledger.instrumentation._content import measure, recount, text_of
from spanledger.testing.providers import MockProvider
from spanledger.usage.media import Media
from spanledger.usage.tokens import count_text
from tests.gate._apis import CHAT
from tests.gate._gate import gated

PNG = "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 400).decode()
MODEL = "gpt-4o-mini"
PROSE = "The quick brown fox jumps over the lazy dog, and then it rests in the warm grass. " * 40


def one_part(part: dict[str, Any]) -> dict[str, Any]:
    """A request with one part beside a question."""
    question = {"type": "text", "text": "What is this?"}
    return {"messages": [{"role": "user", "content": [question, part]}]}


@pytest.mark.parametrize(
    ("part", "media"),
    [
        ({"type": "image_url", "image_url": {"url": PNG}}, Media("image", len(PNG))),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}, Media("image")),
        ({"type": "input_image", "file_id": "file-1"}, Media("image")),
        (
            {"type": "image", "source": {"type": "base64", "data": PNG, "media_type": "image/png"}},
            Media("image", len(PNG)),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
            Media("audio", len(PNG)),
        ),
        (
            {"type": "file", "file": {"file_data": PNG, "filename": "a.pdf"}},
            Media("file", len(PNG)),
        ),
        ({"type": "document", "source": {"type": "url", "url": "https://x.test"}}, Media("file")),
    ],
)
def test_what_is_no_text_is_named_and_its_data_is_not_taken_for_text(
    part: dict[str, Any], media: Media
) -> None:
    content = measure(one_part(part))
    assert content.media == (media,)
    assert content.text_bytes < 300


def test_a_document_of_plain_text_is_text() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": PROSE}
    content = measure(one_part({"type": "document", "source": source}))
    assert content.media == ()
    assert content.text_bytes > len(PROSE)


def test_a_text_that_hides_in_an_image_part_counts_as_text() -> None:
    content = measure(one_part({"type": "image", "source": {}, "caption": PROSE}))
    assert content.text_bytes > len(PROSE)


def test_a_schema_whose_type_is_a_list_is_no_part_of_a_message() -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    body = {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
    assert measure(body).media == ()


@pytest.mark.parametrize(
    "body",
    [
        {"input": "and then?", "previous_response_id": "resp_1"},
        {"input": "go on", "conversation": "conv_1"},
        {"input": "news", "tools": [{"type": "web_search"}]},
        {"messages": [], "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"input": [{"type": "item_reference", "id": "item_1"}]},
    ],
)
def test_what_the_request_only_names_is_said_to_be_unseen(body: dict[str, Any]) -> None:
    assert [part.kind for part in measure(body).media] == ["unseen"]


def test_tools_of_the_callers_own_are_seen_whole() -> None:
    assert measure({"tools": [{"name": "look_up", "input_schema": {}}], "input": "a"}).media == ()


def test_the_text_for_counting_holds_no_image() -> None:
    found = text_of(one_part({"type": "image_url", "image_url": {"url": PNG}}))
    assert "What is this?" in found
    assert PNG not in found


TEXTS = st.text(max_size=200)
VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(messages=st.lists(VALUES, max_size=5))
def test_a_recount_is_no_more_than_the_bytes_and_no_less_than_the_texts(
    messages: list[Any],
) -> None:
    body = {"messages": messages, "model": MODEL}
    content = measure(body)

    def count(text: str) -> int:
        return count_text(text, MODEL).tokens

    counted = recount(body, content, count)
    assert counted <= content.text_bytes
    assert counted >= count(text_of(body)) - text_of(body).count("\n")


def test_a_prompt_that_fits_by_its_tokens_but_not_by_its_bytes_is_let_through() -> None:
    """Three thousand bytes of English are some seven hundred tokens."""
    policy = Policy((Budget("tokens", "tokens", 1_500),))
    with MockProvider() as provider, gated(provider, policy) as gate:
        client: openai.OpenAI = CHAT.client(provider)
        client.chat.completions.create(
            model=MODEL, max_tokens=10, messages=[{"role": "user", "content": PROSE}]
        )
        assert len(PROSE) > 3_000
        assert gate.attributes["spanledger.guard.estimate"] == "input:tiktoken output:request"


def test_a_model_whose_encoding_nobody_has_is_held_to_its_bytes() -> None:
    policy = Policy((Budget("tokens", "tokens", 1_500),))
    with MockProvider() as provider, gated(provider, policy):
        client: openai.OpenAI = CHAT.client(provider)
        with pytest.raises(BudgetExceeded):
            client.chat.completions.create(
                model="gpt-99", max_tokens=10, messages=[{"role": "user", "content": PROSE}]
            )
        assert provider.requests == []


def test_a_large_image_asks_for_what_an_image_costs_and_not_for_its_bytes() -> None:
    policy = Policy((Budget("tokens", "tokens", 60_000),))
    with MockProvider() as provider, gated(provider, policy) as gate:
        client: openai.OpenAI = CHAT.client(provider)
        part: Any = {"type": "image_url", "image_url": {"url": PNG}}
        client.chat.completions.create(
            model=MODEL, max_tokens=10, messages=[{"role": "user", "content": [part]}]
        )
        assert len(PNG) > 60_000
        assert gate.attributes["spanledger.guard.estimate"] == "input:bytes+image output:request"
