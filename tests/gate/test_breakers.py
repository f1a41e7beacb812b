"""What the gate tells breakers: failures, throttling, slowness, and what is nobody's fault."""

import openai
import pytest

from spanledger.guard import CircuitOpen, Policy
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.testing.providers import Fail, MockProvider, Reply
from tests.gate._apis import CHAT
from tests.gate._gate import gated

RULE = BreakerRule("provider", min_calls=3)


def _client(provider: MockProvider) -> openai.OpenAI:
    return openai.OpenAI(base_url=provider.openai_base_url, api_key="none", max_retries=0)


def _ask(client: openai.OpenAI) -> None:
    client.chat.completions.create(model=CHAT.model, messages=[{"role": "user", "content": "hi"}])


def test_after_enough_failures_nothing_is_sent_any_more(provider: MockProvider) -> None:
    provider.on(CHAT.model, Fail(status=500))
    with gated(provider, Policy(breakers=(RULE,))):
        client = _client(provider)
        for _ in range(3):
            with pytest.raises(openai.InternalServerError):
                _ask(client)
        with pytest.raises(CircuitOpen, match="openai/"):
            _ask(client)
    assert provider.calls() == 3


def test_each_attempt_of_a_client_that_retries_counts(provider: MockProvider) -> None:
    """Three attempts, three failures; the breaker stops the retries of the next call."""
    provider.on(CHAT.model, Fail(status=503, retry_after_s=0.01))
    with gated(provider, Policy(breakers=(RULE,))):
        client = _client(provider).with_options(max_retries=5)
        with pytest.raises(CircuitOpen):
            _ask(client)
    assert provider.calls() == 3


def test_a_429_with_retry_after_holds_calls_back_at_once(provider: MockProvider) -> None:
    provider.enqueue(Fail(status=429, retry_after_s=30))
    with gated(provider, Policy(breakers=(RULE,))):
        client = _client(provider)
        with pytest.raises(openai.RateLimitError):
            _ask(client)
        with pytest.raises(CircuitOpen) as refused:
            _ask(client)
    assert provider.calls() == 1
    assert refused.value.retry_after_s == pytest.approx(30, abs=2)


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_request_that_is_wrong_says_nothing_about_the_provider(
    provider: MockProvider, status: int
) -> None:
    provider.on(CHAT.model, Fail(status=status))
    with gated(provider, Policy(breakers=(RULE,))):
        client = _client(provider)
        for _ in range(6):
            with pytest.raises(openai.APIStatusError):
                _ask(client)
    assert provider.calls() == 6


def test_slow_answers_open_the_breaker_too(provider: MockProvider) -> None:
    provider.on(CHAT.model, Reply(text="late", delay_s=0.05))
    rule = BreakerRule("provider", min_calls=3, slow_s=0.01)
    with gated(provider, Policy(breakers=(rule,))):
        client = _client(provider)
        for _ in range(3):
            _ask(client)
        with pytest.raises(CircuitOpen):
            _ask(client)
    assert provider.calls() == 3
