"""The first provider gets the question and never answers; the second one does."""

import asyncio
from typing import Any

import openai
import pytest

from spanledger import semconv
from spanledger.guard import Budget, Guard, Policy
from spanledger.recovery import fallback, other
from spanledger.testing.providers import Hang, MockProvider, Reply, UsageSpec
from spanledger.track import session
from tests.gate._gate import COUNTING, Gate
from tests.scenarios._shared import async_client, client, held_by

FIRST, SECOND = "gpt-4o", "gpt-4o-mini"
ANSWER = Reply(text="Yes.", usage=UsageSpec(input_tokens=1000, output_tokens=60))


def _request(model: str) -> dict[str, Any]:
    return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "Well?"}]}


def _of_model(gate: Gate, model: str) -> dict[str, Any]:
    (found,) = [a["attributes"] for a in gate.records if model == _model(a["attributes"])]
    return found


def _model(attributes: dict[str, Any]) -> str:
    return str(attributes[semconv.REQUEST_MODEL])


def _both_are_charged(gate: Gate) -> None:
    hung, answered = _of_model(gate, FIRST), _of_model(gate, SECOND)
    assert hung[semconv.USAGE_SOURCE] == "estimated"
    assert hung[semconv.COST_NANO_USD] > 0
    assert answered[semconv.USAGE_INPUT_TOKENS] == 1000
    assert semconv.USAGE_SOURCE not in answered
    both = hung[semconv.COST_NANO_USD] + answered[semconv.COST_NANO_USD]
    assert gate.spent("cost") == both
    gate.assert_settled_once()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_scenario_16_both_attempts_are_charged_and_the_session_counts_both(
    provider: MockProvider, asynchronous: bool
) -> None:
    provider.enqueue(Hang(), ANSWER)
    with held_by(provider, Guard(COUNTING)) as gate:
        with session("ticket-1"):
            reply = asyncio.run(_asked_async(provider)) if asynchronous else _asked(provider)
        assert reply.choices[0].message.content == "Yes."
        assert provider.calls() == 2
        sessions = {a["attributes"][semconv.SESSION_ID] for a in gate.records}
        assert sessions == {"ticket-1"}
        _both_are_charged(gate)


def _asked(provider: MockProvider) -> Any:
    one = client(provider, timeout=0.3)

    @fallback(other(lambda: one.chat.completions.create(**_request(SECOND)), name="second"))
    def ask() -> Any:
        return one.chat.completions.create(**_request(FIRST))

    return ask()


async def _asked_async(provider: MockProvider) -> Any:
    async with async_client(provider, timeout=0.3) as one:

        @fallback(other(lambda: one.chat.completions.create(**_request(SECOND)), name="second"))
        async def ask() -> Any:
            return await one.chat.completions.create(**_request(FIRST))

        return await ask()


def test_scenario_16_the_second_is_asked_for_again_and_refused_if_the_first_used_it_up(
    provider: MockProvider,
) -> None:
    """What hung may have been worked on: it is charged, and the rest is too small for another."""
    provider.enqueue(Hang(), ANSWER)
    one = client(provider, timeout=0.3)

    @fallback(other(lambda: one.chat.completions.create(**_request(FIRST)), name="second"))
    def ask() -> Any:
        return one.chat.completions.create(**_request(FIRST))

    policy = Policy((Budget("calls", "calls", 1),))
    with held_by(provider, Guard(policy)), pytest.raises(openai.APITimeoutError) as caught:
        ask()
    assert provider.calls() == 1
    assert "ask: timeout; second: budget_exhausted" in caught.value.__notes__[0]
