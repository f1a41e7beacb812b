"""Libraries that make spans by themselves: each provider call is billed once, at its price.

Those whose client has a gate are limited by it. Of one without a gate only its spans tell: then
some are refused as their span begins, and others, whose span says too late what it is, are not.
"""

import pytest

from spanledger.processors.attribution import GATE_SCOPE
from tests.matrix._sets import assert_limited_and_billed_once, assert_usage_is_the_providers, run

TOLD = (1000, 500, "provider")
#: What 1000 tokens in and 500 out cost, in nano-USD.
CELLS = [
    ("self-instrumented", "pydantic_ai", 450_000),
    ("self-instrumented", "strands", 450_000),
    ("self-instrumented", "mistral", 450_000),
    ("google-adk", "adk", 1_550_000),
]


@pytest.mark.parametrize(("environment", "kind", "cost_nano_usd"), CELLS)
def test_each_provider_call_is_billed_once_at_its_price(
    environment: str, kind: str, cost_nano_usd: int
) -> None:
    result = run(environment, [kind])[kind]
    assert_limited_and_billed_once(kind, result)
    assert_usage_is_the_providers(kind, result)
    assert [record["cost"] for record in result.records] == [cost_nano_usd] * 2
    assert result.spent_nano_usd == 2 * cost_nano_usd
    ours = [billing for scope, _name, billing in result.spans if scope == GATE_SCOPE]
    assert set(ours) <= {"call", "refused"}, result


@pytest.mark.parametrize(("environment", "kind", "cost_nano_usd"), CELLS)
def test_without_a_gate_its_own_span_is_the_bill_and_what_was_spent_counts(
    environment: str, kind: str, cost_nano_usd: int
) -> None:
    """As with a library that nobody has written a gate for: what it spends is all known."""
    result = run(environment, [kind], env={"SPANLEDGER_TEST_NO_GATES": "1"})[kind]
    assert result.outcomes[:2] == ["ok", "ok"], result
    assert {(r["input"], r["output"], r["source"]) for r in result.records} == {TOLD}, result
    assert len(result.records) == result.sent, result
    assert {r["billing"] for r in result.records} == {"call"}, result
    assert {r["cost"] for r in result.records} == {cost_nano_usd}, result
    assert result.spent_nano_usd == result.sent * cost_nano_usd, result
