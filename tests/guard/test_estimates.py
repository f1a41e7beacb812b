"""What a request may use at the most."""

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger import pricing
from spanledger.guard import Estimate
from spanledger.guard.estimates import ASSUMED_OUTPUT_TOKENS, estimate
from spanledger.usage import Usage
from spanledger.usage.media import Media

AT_S = 1_795_176_000.0
GPT_4O_WINDOW = 128_000


def _estimate(**more: Any) -> Estimate:
    request: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-4o",
        "operation": "chat",
        "input_bytes": 100,
        "max_output_tokens": 50,
        "choices": 1,
        "at": AT_S,
    }
    return estimate(**{**request, **more})


def test_every_byte_may_be_a_token_and_every_choice_as_long_as_allowed() -> None:
    """The bound that holds for any tokenizer that reads bytes."""
    found = _estimate(choices=3)
    assert (found.input_tokens, found.output_tokens) == (100, 150)
    assert found.method == "input:bytes output:request"
    assert found.amount("tokens") == 250


def test_a_request_without_a_limit_may_use_what_the_model_can_give() -> None:
    """Said as such, so that the refusal can advise to set one."""
    found = _estimate(max_output_tokens=None)
    assert found.output_tokens == GPT_4O_WINDOW
    assert found.method == "input:bytes output:ceiling"


def test_nobody_pays_for_more_than_the_model_can_give() -> None:
    """A limit of a billion is the model's own."""
    assert _estimate(max_output_tokens=999_999_999).output_tokens == GPT_4O_WINDOW


def test_a_model_that_nobody_knows_is_assumed_to_answer_and_has_no_price() -> None:
    """Unknown is not free."""
    found = _estimate(model="in-house-7b", max_output_tokens=None)
    assert found.output_tokens == ASSUMED_OUTPUT_TOKENS
    assert found.method == "input:bytes output:assumed"
    assert found.cost_nano_usd is None


def test_an_embedding_has_no_output() -> None:
    """Whatever the request says."""
    found = _estimate(operation="embeddings", model="text-embedding-3-small")
    assert found.output_tokens == 0
    assert found.cost_nano_usd


@pytest.mark.parametrize("nonsense", [{"max_output_tokens": -1_000_000}, {"choices": -3}])
def test_a_request_that_makes_no_sense_never_reserves_less_than_nothing(
    nonsense: dict[str, int],
) -> None:
    """It would make room in the budget for other calls until the provider refuses it."""
    found = _estimate(**nonsense)
    assert found.output_tokens >= 50
    assert found.cost_nano_usd is not None
    assert found.cost_nano_usd > 0


@given(
    input_bytes=st.integers(0, 10**6),
    max_output_tokens=st.none() | st.integers(-5, 10**6),
    choices=st.integers(-1, 5),
    used=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_no_call_within_the_estimate_costs_more_than_it(
    input_bytes: int, max_output_tokens: int | None, choices: int, used: tuple[float, float]
) -> None:
    """So that spend can't pass a limit."""
    found = _estimate(input_bytes=input_bytes, max_output_tokens=max_output_tokens, choices=choices)
    usage = Usage(
        input_tokens=int(found.input_tokens * used[0]),
        output_tokens=int(found.output_tokens * used[1]),
    )
    cost = pricing.price("openai", "gpt-4o", usage, at=AT_S)
    assert cost.nano_usd is not None
    assert found.cost_nano_usd is not None
    assert 0 <= cost.nano_usd <= found.cost_nano_usd


@pytest.mark.parametrize(
    ("model", "provider", "part", "tokens", "soft"),
    [
        ("gpt-4o", "openai", Media("image", 900_000), 1_445, False),
        ("gpt-4o-mini", "azure.ai.openai", Media("image"), 48_169, False),
        ("gpt-9-ultra", "openai", Media("image"), 24_600, False),
        ("claude-sonnet-4-5", "aws.bedrock", Media("image"), 4_784, False),
        ("gemini-2.0-flash", "gcp.gemini", Media("image"), 5_000, True),
        ("gpt-4o", "openai", Media("audio", 16_000), 1_000, False),
        ("gpt-4o", "openai", Media("audio"), 19_200, True),
        ("gpt-4o", "openai", Media("file", 4_000), 1_000, True),
        ("gpt-4o", "openai", Media("unseen"), 0, True),
    ],
)
def test_what_is_no_text_has_a_bound_of_its_own_or_makes_the_estimate_soft(
    model: str, provider: str, part: Media, tokens: int, soft: bool
) -> None:
    found = _estimate(model=model, provider=provider, media=(part,))
    assert found.input_tokens == 100 + tokens
    assert found.soft is soft
    assert found.method == f"input:bytes+{part.kind} output:request"


def test_a_request_for_a_dearer_service_class_reserves_its_price() -> None:
    standard, priority = _estimate(), _estimate(service_tier="priority")
    assert standard.cost_nano_usd is not None
    assert priority.cost_nano_usd is not None
    assert priority.cost_nano_usd > standard.cost_nano_usd


def test_prices_that_were_replaced_are_forgotten() -> None:
    """An estimate remembers nothing of the price book that it asked: a book takes megabytes."""
    before = weakref.ref(pricing.configure())
    _estimate()
    pricing.configure()
    gc.collect()
    assert before() is None
