"""Other wrappers at the same place, before and after ours, and bodies that others read."""

import gc
from typing import Any

import openai
import pytest
import wrapt

from spanledger import semconv
from spanledger.guard import BudgetExceeded
from spanledger.testing.providers import MockProvider, http_library
from tests.gate._apis import CHAT, MESSAGES, STAINLESS, Api
from tests.gate._gate import Gate, gated, limited

apis = pytest.mark.parametrize("api", STAINLESS, ids=lambda api: api.name)


def passes_through(wrapped: Any, _instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


@pytest.fixture
def wrapped_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another library has put the funnel, as it was, under a wrapper in the subclass."""
    funnel = vars(openai._base_client.SyncAPIClient)["request"]
    wrapper = wrapt.FunctionWrapper(funnel, passes_through)
    monkeypatch.setattr(openai.OpenAI, "request", wrapper, raising=False)


@pytest.mark.usefixtures("wrapped_before")
def test_a_wrapper_that_came_first_does_not_lead_around_the_gate(provider: MockProvider) -> None:
    with gated(provider, limited("calls", 1)) as gate:
        client = CHAT.client(provider)
        CHAT.create(client)
        with pytest.raises(BudgetExceeded):
            CHAT.create(client)
        assert provider.calls() == 1
        assert len(gate.records) == 1
    assert CHAT.create(CHAT.client(provider))


def test_a_wrapper_on_the_base_class_that_came_first_does_not_keep_the_gate_out(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = openai._base_client.SyncAPIClient
    wrapper = wrapt.FunctionWrapper(vars(base)["request"], passes_through)
    monkeypatch.setattr(base, "request", wrapper)
    with gated(provider, limited("calls", 0)):
        with pytest.raises(BudgetExceeded):
            CHAT.create(CHAT.client(provider))
        assert provider.calls() == 0


def test_a_wrapper_that_comes_later_leaves_the_gate_in_force(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gated(provider, limited("calls", 0)):
        ours = vars(openai._base_client.SyncAPIClient)["request"]
        wrapper = wrapt.FunctionWrapper(ours, passes_through)
        monkeypatch.setattr(openai.OpenAI, "request", wrapper, raising=False)
        with pytest.raises(BudgetExceeded):
            CHAT.create(CHAT.client(provider))
    # Ours can't be taken out from under theirs, and does nothing any more.
    assert CHAT.create(CHAT.client(provider))
    with gated(provider, limited("calls", 0)), pytest.raises(BudgetExceeded):
        CHAT.create(CHAT.client(provider))


class OwnClient(openai.OpenAI):
    """A user's client, with a funnel of its own over the library's."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return super().request(*args, **kwargs)


def test_a_call_that_comes_by_two_gates_is_one_call(gate: Gate) -> None:
    client = OwnClient(base_url=gate.provider.openai_base_url, api_key="none")
    CHAT.create(client)
    assert len(gate.spans) == 1
    gate.assert_settled_once()


def test_a_call_from_inside_another_is_one_of_its_own(gate: Gate) -> None:
    inner = CHAT.client(gate.provider)
    pending = [inner]

    def ask_first(_request: Any) -> None:
        if pending:
            CHAT.create(pending.pop())

    http = http_library("openai").Client(event_hooks={"request": [ask_first]})
    CHAT.create(CHAT.client(gate.provider, http_client=http))
    assert gate.provider.calls() == 2
    assert len(gate.records) == 2
    gate.assert_settled_once()


@apis
def test_a_stream_that_another_reads_from_the_response_is_observed_there(
    gate: Gate, api: Api
) -> None:
    client = api.client(gate.provider)
    stream = api.stream(client)
    response = stream.response
    del stream
    gc.collect()
    assert gate.open == 1
    for _data in response.iter_bytes():
        pass
    assert gate.attributes[semconv.STREAM_OUTCOME] == "completed"
    assert gate.attributes[semconv.USAGE_SOURCE] == "provider"
    gate.assert_settled_once()


@apis
def test_a_raw_response_that_is_forgotten_is_settled(gate: Gate, api: Api) -> None:
    api.endpoint(api.client(gate.provider)).with_raw_response.create(**api.body, stream=True)
    gc.collect()
    assert gate.attributes[semconv.STREAM_OUTCOME] in {"abandoned", "closed"}
    assert gate.attributes[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


def test_the_gate_is_out_when_it_was_taken_out(provider: MockProvider) -> None:
    with gated(provider, limited("calls", 0)):
        pass
    for api in (CHAT, MESSAGES):
        assert api.create(api.client(provider))
    assert not isinstance(openai._base_client.SyncAPIClient.request, wrapt.ObjectProxy)
