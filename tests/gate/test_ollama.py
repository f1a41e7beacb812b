"""What is Ollama's own: prices of one's own machine, generate, embeddings, lazy streams."""

import socket
from pathlib import Path
from typing import Any

import ollama
import pytest

from spanledger import semconv
from spanledger.guard import BudgetExceeded, PriceUnknown
from spanledger.instrumentation._content import measure
from spanledger.instrumentation._ollama_dialect import answers_of
from spanledger.testing.providers import Fail, Hang, MockProvider, Reply, StreamError, UsageSpec
from tests.gate._apis import OLLAMA, PROMPT, cost_nano_usd
from tests.gate._gate import COUNTING, Gate, gated, limited

MODEL = OLLAMA.model
ANSWER = Reply(text="Yes it is.", usage=UsageSpec(input_tokens=1000, output_tokens=500))


def client_of(provider: MockProvider) -> Any:
    return ollama.Client(host=provider.ollama_host)


def test_a_model_without_a_price_is_refused_under_a_limit_on_cost(gate: Gate) -> None:
    with pytest.raises(PriceUnknown):
        client_of(gate.provider).generate(model="nobody-knows-9", prompt=PROMPT)
    assert gate.provider.calls() == 0


def test_a_price_of_nothing_can_be_given(provider: MockProvider, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    free = 'input_usd_per_mtok = "0"\noutput_usd_per_mtok = "0"\n'
    prices.write_text(f'[[price]]\nprovider = "ollama"\nmodel = "*"\n{free}')
    provider.enqueue(ANSWER)
    with gated(provider, COUNTING, pricing__overrides=str(prices)) as gate:
        client_of(provider).generate(model="any-model:7b", prompt=PROMPT)
        assert gate.attributes[semconv.COST_NANO_USD] == 0
        assert gate.attributes[semconv.COST_PROVENANCE] == "computed"
        assert gate.spent("tokens") == 1500
        gate.assert_settled_once()


def test_generate_is_a_call(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    client_of(gate.provider).generate(model=MODEL, prompt=PROMPT)
    assert gate.attributes[semconv.OPERATION_NAME] == "text_completion"
    assert gate.attributes[semconv.COST_NANO_USD] == cost_nano_usd(MODEL, 1000, 500)
    gate.assert_settled_once()


def test_a_generated_stream_is_a_call(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    parts = list(client_of(gate.provider).generate(model=MODEL, prompt=PROMPT, stream=True))
    assert "".join(part.response for part in parts) == "Yes it is."
    assert gate.attributes[semconv.STREAM_OUTCOME] == "completed"
    assert gate.attributes[semconv.COST_NANO_USD] == cost_nano_usd(MODEL, 1000, 500)
    gate.assert_settled_once()


def test_embeddings_are_a_call(gate: Gate) -> None:
    gate.provider.enqueue(Reply(usage=UsageSpec(input_tokens=1000, output_tokens=0)))
    client_of(gate.provider).embed(model=MODEL, input=["a b"])
    assert gate.attributes[semconv.OPERATION_NAME] == "embeddings"
    assert gate.attributes[semconv.COST_NANO_USD] == cost_nano_usd(MODEL, 1000, 0)
    gate.assert_settled_once()


def test_a_stream_is_refused_when_it_would_be_sent(provider: MockProvider) -> None:
    with gated(provider, limited("calls", 1)) as gate:
        client = client_of(provider)
        first = client.chat(**OLLAMA.body, stream=True)
        second = client.chat(**OLLAMA.body, stream=True)
        assert list(first)
        with pytest.raises(BudgetExceeded):
            next(second)
        assert provider.calls() == 1
        assert gate.open == 0


@pytest.mark.parametrize(("status", "cost"), [(404, 0), (500, 1)])
def test_a_stream_that_is_turned_away_is_charged_like_any_other_call(
    gate: Gate, status: int, cost: int
) -> None:
    gate.provider.enqueue(Fail(status=status))
    with pytest.raises(ollama.ResponseError):
        list(client_of(gate.provider).chat(**OLLAMA.body, stream=True))
    assert (gate.attributes[semconv.COST_NANO_USD] > 0) == bool(cost)
    assert gate.attributes[semconv.ERROR_STATUS_CODE] == status
    gate.assert_settled_once()


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_does_not_run_costs_nothing(gate: Gate, stream: bool) -> None:
    with socket.socket() as bound:
        # Bound and not listening: the port is refused and nobody else can take it.
        bound.bind(("127.0.0.1", 0))
        client: Any = ollama.Client(host=f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(Exception, match=r"connect|refused"):
            list(client.chat(**OLLAMA.body, stream=stream))
    assert gate.attributes[semconv.BILLING] == "unsent"
    assert gate.spent("calls") == 0
    gate.assert_settled_once()


def test_a_time_out_after_sending_is_charged_an_estimate(gate: Gate) -> None:
    gate.provider.enqueue(Hang())
    client = ollama.Client(host=gate.provider.ollama_host, timeout=0.2)
    with pytest.raises(Exception, match="timed out"):
        client.chat(**OLLAMA.body)
    assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
    assert gate.attributes[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


def test_an_error_in_a_stream_is_the_one_that_the_client_raises(gate: Gate) -> None:
    gate.provider.enqueue(StreamError(after_chunks=2))
    with pytest.raises(ollama.ResponseError):
        list(client_of(gate.provider).chat(**OLLAMA.body, stream=True))
    assert gate.attributes[semconv.ERROR_TYPE] == "ResponseError"
    assert gate.attributes[semconv.STREAM_OUTCOME] == "failed"
    gate.assert_settled_once()


def test_a_request_without_an_output_limit_gets_the_default_one(provider: MockProvider) -> None:
    with gated(provider, guard__default_max_output_tokens=77):
        client_of(provider).chat(model=MODEL, messages=[{"role": "user", "content": PROMPT}])
        client_of(provider).chat(**OLLAMA.body)
    found = [(request.body or {})["options"]["num_predict"] for request in provider.requests]
    assert found == [77, 64]


def test_a_stream_without_a_limit_is_cut_before_it_overruns(provider: MockProvider) -> None:
    provider.enqueue(Reply(text="0123456789" * 800, chunks=80))
    with gated(provider, limited("tokens", 4400)) as gate:
        stream = client_of(provider).generate(model="nobody-knows-9", prompt=PROMPT, stream=True)
        with pytest.raises(BudgetExceeded) as raised:
            list(stream)
        assert raised.value.reason == "stream_exhausted"
        assert gate.attributes[semconv.STREAM_OUTCOME] == "cut"
        assert gate.open == 0
        assert provider.wait_idle()


def test_other_endpoints_pass_untouched(gate: Gate) -> None:
    with pytest.raises(ollama.ResponseError):
        client_of(gate.provider).list()
    assert gate.records == []


def test_pictures_are_measured_as_such() -> None:
    answers = answers_of("/api/chat")
    assert answers is not None
    picture = "A" * 400
    body = {"messages": [{"role": "user", "content": "a", "images": [picture]}]}
    found = measure(answers.readable(body))
    assert [m.kind for m in found.media] == ["image"]
    assert found.text_bytes < len(picture)
