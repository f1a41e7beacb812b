"""Every family of instrumentations beside every client and framework: one call, one bill.

A cell is one kind of call beside one family, or two at once: four calls under a limit of two.
"""

from itertools import combinations

import pytest

from spanledger.processors.attribution import GATE_SCOPE
from tests.matrix._sets import (
    Result,
    assert_limited_and_billed_once,
    assert_usage_is_the_providers,
    run,
)

#: What 1000 tokens in and 500 out cost, in nano-USD.
COSTS = {
    "chat": 450_000,
    "chat_stream": 450_000,
    "responses": 450_000,
    "responses_stream": 450_000,
    "messages": 3_500_000,
    "messages_stream": 3_500_000,
    "langchain": 450_000,
    "langchain_stream": 450_000,
    "agents_traced": 450_000,
    "agents_chat_traced": 450_000,
}
_OFFICIAL = "opentelemetry.instrumentation.genai"
_TRACELOOP = "opentelemetry.instrumentation"
_ARIZE = "openinference.instrumentation"
FAMILIES = {
    "official": (
        f"{_OFFICIAL}.openai:OpenAIInstrumentor",
        f"{_OFFICIAL}.anthropic:AnthropicInstrumentor",
        f"{_OFFICIAL}.langchain:LangChainInstrumentor",
        f"{_OFFICIAL}.openai_agents:OpenAIAgentsInstrumentor",
    ),
    "openllmetry": (
        f"{_TRACELOOP}.openai:OpenAIInstrumentor",
        f"{_TRACELOOP}.anthropic:AnthropicInstrumentor",
        f"{_TRACELOOP}.langchain:LangchainInstrumentor",
        f"{_TRACELOOP}.openai_agents:OpenAIAgentsInstrumentor",
    ),
    "openinference": (
        f"{_ARIZE}.openai:OpenAIInstrumentor",
        f"{_ARIZE}.anthropic:AnthropicInstrumentor",
        f"{_ARIZE}.langchain:LangChainInstrumentor",
        f"{_ARIZE}.openai_agents:OpenAIAgentsInstrumentor",
    ),
}
#: The client of Anthropic makes spans of its own unless it is told not to.
WITHOUT_NATIVE = {"ANTHROPIC_OPEN_TELEMETRY": "false"}

SETUPS = [
    pytest.param((), WITHOUT_NATIVE, id="none"),
    pytest.param((), {}, id="native"),
    *(pytest.param(targets, WITHOUT_NATIVE, id=name) for name, targets in FAMILIES.items()),
    *(
        pytest.param(FAMILIES[one] + FAMILIES[other], {}, id=f"native-{one}-{other}")
        for one, other in combinations(FAMILIES, 2)
    ),
]


@pytest.mark.parametrize(("instrumentors", "env"), SETUPS)
def test_each_provider_call_is_billed_once_at_its_price(
    instrumentors: tuple[str, ...], env: dict[str, str]
) -> None:
    results = run("coexistence", list(COSTS), instrumentors, env)
    for kind, cost_nano_usd in COSTS.items():
        result = results[kind]
        assert_limited_and_billed_once(kind, result)
        assert_usage_is_the_providers(kind, result)
        assert [r["cost"] for r in result.records] == [cost_nano_usd] * 2, (kind, result)
        assert result.spent_nano_usd == 2 * cost_nano_usd, (kind, result)
        assert_no_span_of_ours_doubles_another(kind, result)


def assert_no_span_of_ours_doubles_another(kind: str, result: Result) -> None:
    """A span of ours is the record of its call, or of its refusal: none is made in vain."""
    ours = [billing for scope, _name, billing in result.spans if scope == GATE_SCOPE]
    assert set(ours) <= {"call", "refused"}, (kind, result)


#: Without a gate nobody asks for the usage of a chat stream.
UNTOLD = {"chat_stream", "langchain_stream"}
#: OpenLLMetry counts one token of output too many in Anthropic's streams.
MISCOUNTED = {"messages_stream"}
UNGATED = [
    pytest.param(FAMILIES["official"], set(), id="official"),
    pytest.param(FAMILIES["openllmetry"], MISCOUNTED, id="openllmetry"),
    pytest.param(FAMILIES["openinference"], set(), id="openinference"),
    pytest.param(
        FAMILIES["openllmetry"] + FAMILIES["openinference"],
        MISCOUNTED,
        id="openllmetry-openinference",
    ),
]


@pytest.mark.parametrize(("instrumentors", "miscounted"), UNGATED)
def test_without_any_gate_each_call_that_was_sent_is_one_record(
    instrumentors: tuple[str, ...], miscounted: set[str]
) -> None:
    """Also those that were sent in spite of a limit, because their library can't be stopped."""
    env = {**WITHOUT_NATIVE, "SPANLEDGER_TEST_NO_GATES": "1"}
    results = run("coexistence", list(COSTS), instrumentors, env)
    for kind, cost_nano_usd in COSTS.items():
        result = results[kind]
        assert len(result.records) == result.sent == result.outcomes.count("ok"), (kind, result)
        assert {r["billing"] for r in result.records} == {"call"}, (kind, result)
        if kind in UNTOLD:
            assert {(r["cost"], r["source"]) for r in result.records} == {(None, "missing")}
        elif kind not in miscounted:
            assert {r["cost"] for r in result.records} == {cost_nano_usd}, (kind, result)
            assert result.spent_nano_usd == result.sent * cost_nano_usd, (kind, result)
