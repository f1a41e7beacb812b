"""A stream whose usage never comes: not asked for, or not given by a proxy."""

import pytest

from spanledger import semconv
from spanledger.testing.providers import MockProvider, Reply
from tests.gate._apis import STAINLESS as STREAMING
from tests.gate._apis import Api
from tests.gate._gate import COUNTING, gated


@pytest.mark.parametrize("api", STREAMING, ids=lambda api: api.name)
@pytest.mark.parametrize("why", ["not-asked-for", "not-given"])
def test_scenario_06_a_stream_without_usage_is_estimated_and_never_free(
    provider: MockProvider, api: Api, why: str
) -> None:
    given = why == "not-asked-for" and api.name == "chat"
    provider.enqueue(Reply(text="Yes it is so.", omit_usage=not given))
    with gated(provider, COUNTING, gate__include_usage=why == "not-given") as gate:
        assert list(api.stream(api.client(provider)))
        found = gate.attributes
        assert found[semconv.USAGE_SOURCE] == "estimated"
        assert found[semconv.COST_PROVENANCE] == "estimated"
        assert found[semconv.USAGE_OUTPUT_TOKENS] >= 4
        assert gate.spent("cost") == found[semconv.COST_NANO_USD] > 0
        gate.assert_settled_once()
