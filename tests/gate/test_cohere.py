"""What is Cohere's own: version 1 of its API, embeddings, rankings, errors in streams."""

from typing import Any

import cohere
import pytest

from spanledger import semconv
from spanledger.guard import BudgetExceeded, PriceUnknown
from spanledger.instrumentation._cohere_dialect import answers_of
from spanledger.instrumentation._content import measure
from spanledger.testing.providers import CutStream, MockProvider, Reply, StreamError, UsageSpec
from tests.gate._apis import COHERE, PROMPT, cost_nano_usd
from tests.gate._gate import Gate, gated, limited

MODEL = COHERE.model
USAGE = UsageSpec(input_tokens=1000, output_tokens=500)
ANSWER = Reply(text="Yes it is.", usage=USAGE)


def v1(provider: MockProvider) -> Any:
    return cohere.Client(api_key="none", base_url=provider.cohere_base_url)


def v2(provider: MockProvider) -> Any:
    return cohere.ClientV2(api_key="none", base_url=provider.cohere_base_url)


def assert_billed(gate: Gate) -> None:
    assert gate.attributes[semconv.COST_NANO_USD] == cost_nano_usd(MODEL, 1000, 500)
    gate.assert_settled_once()


def test_version_1_is_gated_too(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    v1(gate.provider).chat(model=MODEL, message=PROMPT, max_tokens=64)
    assert_billed(gate)


def test_a_stream_of_version_1_is_read_line_by_line(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    events = list(v1(gate.provider).chat_stream(model=MODEL, message=PROMPT, max_tokens=64))
    assert events[-1].event_type == "stream-end"
    assert_billed(gate)
    assert gate.attributes[semconv.STREAM_OUTCOME] == "completed"


def test_a_stream_of_version_1_that_is_left_is_settled_once(gate: Gate) -> None:
    stream = v1(gate.provider).chat_stream(model=MODEL, message=PROMPT, max_tokens=64)
    for event in stream:
        if event.event_type == "text-generation":
            break
    stream.close()
    assert gate.attributes[semconv.STREAM_OUTCOME] == "closed"
    assert gate.attributes[semconv.USAGE_OUTPUT_TOKENS] > 0
    gate.assert_settled_once()


@pytest.mark.parametrize("ending", [CutStream(after_chunks=2), StreamError(after_chunks=2)])
def test_a_stream_of_version_1_that_breaks_has_failed(gate: Gate, ending: Any) -> None:
    gate.provider.enqueue(ending)
    stream = v1(gate.provider).chat_stream(model=MODEL, message=PROMPT, max_tokens=64)
    if isinstance(ending, CutStream):
        with pytest.raises(Exception, match="incomplete"):
            list(stream)
    else:
        assert list(stream)
    assert gate.attributes[semconv.STREAM_OUTCOME] == "failed"
    gate.assert_settled_once()


def test_embeddings_are_a_call(gate: Gate) -> None:
    gate.provider.enqueue(Reply(usage=UsageSpec(input_tokens=1000, output_tokens=0)))
    v2(gate.provider).embed(
        model="embed-v4.0", texts=["a b"], input_type="search_query", embedding_types=["float"]
    )
    assert gate.attributes[semconv.OPERATION_NAME] == "embeddings"
    # 0.12 dollars a million
    assert gate.attributes[semconv.COST_NANO_USD] == 120_000
    gate.assert_settled_once()


def test_a_ranking_is_a_call_without_tokens(provider: MockProvider) -> None:
    with gated(provider, limited("calls", 1)) as gate:
        client = v2(provider)
        client.rerank(model="rerank-v3.5", query="a", documents=["b", "c"])
        assert semconv.COST_NANO_USD not in gate.attributes
        assert gate.attributes[semconv.COST_PROVENANCE] == "unpriced"
        with pytest.raises(BudgetExceeded):
            client.rerank(model="rerank-v3.5", query="a", documents=["b", "c"])
        assert provider.calls() == 1


def test_what_has_no_price_is_refused_under_a_limit_on_cost(gate: Gate) -> None:
    with pytest.raises(PriceUnknown):
        v2(gate.provider).rerank(model="rerank-v3.5", query="a", documents=["b"])
    assert gate.provider.calls() == 0


def test_a_request_without_an_output_limit_gets_the_default_one(provider: MockProvider) -> None:
    with gated(provider, guard__default_max_output_tokens=77):
        v2(provider).chat(model=MODEL, messages=[{"role": "user", "content": PROMPT}])
        v1(provider).chat(model=MODEL, message=PROMPT, max_tokens=9)
    assert [(request.body or {})["max_tokens"] for request in provider.requests] == [77, 9]


def test_a_stream_without_a_limit_is_cut_before_it_overruns(provider: MockProvider) -> None:
    provider.enqueue(Reply(text="0123456789" * 800, chunks=80))
    with gated(provider, limited("tokens", 4400)) as gate:
        stream = v2(provider).chat_stream(
            model="nobody-knows-9", messages=[{"role": "user", "content": PROMPT}]
        )
        with pytest.raises(BudgetExceeded) as raised:
            list(stream)
        assert raised.value.reason == "stream_exhausted"
        assert gate.attributes[semconv.STREAM_OUTCOME] == "cut"
        assert gate.open == 0
        assert provider.wait_idle()


def test_other_endpoints_pass_untouched(gate: Gate) -> None:
    with pytest.raises(cohere.NotFoundError):
        v1(gate.provider).models.list()
    assert gate.records == []


def test_what_version_1_leaves_with_the_provider_is_said_to_be_unseen() -> None:
    answers = answers_of("v1/chat")
    assert answers is not None
    body = {"message": "a", "connectors": [{"id": "web-search"}]}
    assert [m.kind for m in measure(answers.readable(body)).media] == ["unseen"]


def test_everything_that_version_1_sends_is_measured() -> None:
    answers = answers_of("v1/chat")
    assert answers is not None
    body = {
        "message": "x" * 50,
        "preamble": "y" * 50,
        "chat_history": [{"role": "USER", "message": "z" * 50}],
        "documents": [{"text": "w" * 50}],
    }
    assert measure(answers.readable(body)).text_bytes >= 200
