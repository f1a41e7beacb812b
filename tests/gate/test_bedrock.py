"""What is Bedrock's own: InvokeModel in each family's words, its bodies, streams and retries."""

import base64
import gc
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from spanledger import semconv
from spanledger.guard import BudgetExceeded
from spanledger.instrumentation import _hooks
from spanledger.instrumentation._bedrock_dialect import model_of, read_request
from spanledger.instrumentation._content import measure
from spanledger.testing.providers import (
    CutStream,
    Fail,
    MockProvider,
    Reply,
    StreamError,
    ToolCall,
    UsageSpec,
)
from spanledger.usage.media import Media
from tests.gate._apis import CONVERSE, PROMPT, cost_nano_usd
from tests.gate._gate import Gate, gated, limited

MODEL = CONVERSE.model
USAGE = UsageSpec(input_tokens=1000, output_tokens=500)
ANSWER = Reply(text="Yes it is.", usage=USAGE)
MESSAGES = [{"role": "user", "content": PROMPT}]
ANTHROPIC = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": MESSAGES}
BLOCKS = [{"role": "user", "content": [{"text": PROMPT}]}]

#: A request of each family, and the output limit that is in it.
FAMILIES: dict[str, tuple[dict[str, Any], int | None]] = {
    MODEL: (ANTHROPIC, 64),
    "us.amazon.nova-lite-v1:0": (
        {"messages": BLOCKS, "inferenceConfig": {"maxTokens": 60}},
        60,
    ),
    "amazon.titan-text-express-v1": (
        {"inputText": PROMPT, "textGenerationConfig": {"maxTokenCount": 50}},
        50,
    ),
    "meta.llama3-1-70b-instruct-v1:0": ({"prompt": PROMPT, "max_gen_len": 40}, 40),
    "mistral.mistral-large-2402-v1:0": ({"prompt": PROMPT, "max_tokens": 30}, 30),
    "cohere.command-r-v1:0": ({"message": PROMPT, "max_tokens": 20}, 20),
    "ai21.jamba-1-5-large-v1:0": ({"messages": MESSAGES, "max_tokens": 10}, 10),
    "us.deepseek.r1-v1:0": ({"prompt": PROMPT, "max_tokens": 9}, 9),
}
every_family = pytest.mark.parametrize("model", FAMILIES)
#: Some have no price, which a limit on cost would refuse.
TOKENS_ONLY = limited("tokens", 10**9)


def invoke(client: Any, model: str = MODEL, **extra: Any) -> Any:
    body = json.dumps(FAMILIES[model][0])
    return client.invoke_model(**{"modelId": model, "body": body, **extra})


def invoke_stream(client: Any, model: str = MODEL) -> Any:
    body = json.dumps(FAMILIES[model][0])
    return client.invoke_model_with_response_stream(modelId=model, body=body)["body"]


def assert_tokens(gate: Gate, source: str = "provider") -> None:
    found = gate.attributes
    assert found[semconv.USAGE_SOURCE] == source
    assert found[semconv.USAGE_INPUT_TOKENS] == 1000
    assert found[semconv.USAGE_OUTPUT_TOKENS] == 500
    assert gate.open == 0
    assert gate.capture.open_spans == []


@every_family
def test_each_familys_reply_is_read_as_it_is_read_by_the_program(
    provider: MockProvider, model: str
) -> None:
    provider.enqueue(ANSWER)
    with gated(provider, TOKENS_ONLY) as gate:
        reply = invoke(CONVERSE.client(provider), model)
        assert "Yes it is." in reply["body"].read().decode()
        assert_tokens(gate)
        assert semconv.STREAM_OUTCOME not in gate.attributes
        limit = FAMILIES[model][1]
        assert gate.attributes.get(semconv.REQUEST_MAX_TOKENS) == limit


@every_family
def test_each_familys_stream_is_read(provider: MockProvider, model: str) -> None:
    provider.enqueue(ANSWER)
    with gated(provider, TOKENS_ONLY) as gate:
        assert list(invoke_stream(CONVERSE.client(provider), model))
        assert_tokens(gate)
        assert gate.attributes[semconv.STREAM_OUTCOME] == "completed"


@every_family
def test_each_familys_stream_that_is_cut_is_estimated_from_its_text(
    provider: MockProvider, model: str
) -> None:
    provider.enqueue(CutStream(after_chunks=3, reply=Reply(text="one two three four five six")))
    with gated(provider, TOKENS_ONLY) as gate:
        with pytest.raises(Exception, match=r"(?i)broken|reset|prematurely|incomplete"):
            list(invoke_stream(CONVERSE.client(provider), model))
        assert gate.attributes[semconv.STREAM_OUTCOME] == "failed"
        assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
        assert gate.attributes[semconv.USAGE_INPUT_TOKENS] >= 4
        assert gate.attributes[semconv.USAGE_OUTPUT_TOKENS] >= 3
        assert gate.open == 0


def in_a_block(body: Any) -> Any:
    with body as raw:
        return raw.read()


WAYS_TO_READ: dict[str, Callable[[Any], Any]] = {
    "block": in_a_block,
    "at once": lambda body: body.read(),
    "in pieces": lambda body: b"".join(iter(lambda: body.read(7), b"")),
    "known length": lambda body: body.read(int(body._content_length)),
    "chunks": lambda body: b"".join(body.iter_chunks(5)),
    "lines": lambda body: b"".join(body.iter_lines()),
    "loop": b"".join,
    "json": lambda body: json.dumps(json.load(body)).encode(),
}


@pytest.mark.parametrize("way", WAYS_TO_READ)
def test_a_body_may_be_read_in_every_way(gate: Gate, way: str) -> None:
    gate.provider.enqueue(ANSWER)
    body = invoke(CONVERSE.client(gate.provider))["body"]
    assert json.loads(WAYS_TO_READ[way](body))["content"][0]["text"] == "Yes it is."
    assert_tokens(gate)
    assert gate.attributes[semconv.RESPONSE_FINISH_REASONS] == ["end_turn"]
    gate.assert_settled_once()


@pytest.mark.parametrize("left", ["forgotten", "closed"])
def test_a_body_that_nobody_reads_is_billed_by_its_headers(gate: Gate, left: str) -> None:
    gate.provider.enqueue(ANSWER)
    reply = invoke(CONVERSE.client(gate.provider))
    if left == "closed":
        reply["body"].close()
    del reply
    gc.collect()
    assert_tokens(gate)
    assert gate.attributes[semconv.COST_NANO_USD] == cost_nano_usd(MODEL, 1000, 500)
    gate.assert_settled_once()


def test_a_body_without_any_usage_is_estimated(gate: Gate) -> None:
    gate.provider.enqueue(Reply(text="Yes it is.", omit_usage=True))
    invoke(CONVERSE.client(gate.provider))["body"].read()
    assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
    assert gate.attributes[semconv.USAGE_OUTPUT_TOKENS] >= 3
    gate.assert_settled_once()


def test_a_body_that_comes_from_a_file_is_sent_and_counted(gate: Gate) -> None:
    file = io.BytesIO(json.dumps(ANTHROPIC).encode())
    invoke(CONVERSE.client(gate.provider), body=file)["body"].read()
    assert gate.provider.requests[0].body == ANTHROPIC
    assert gate.attributes[semconv.REQUEST_MAX_TOKENS] == 64


def test_cache_tokens_are_part_of_the_input(gate: Gate) -> None:
    usage = UsageSpec(
        input_tokens=1000,
        output_tokens=100,
        cache_read_tokens=400,
        cache_write_tokens=300,
        cache_write_1h_tokens=100,
    )
    gate.provider.enqueue(Reply(usage=usage))
    CONVERSE.create(CONVERSE.client(gate.provider))
    found = gate.attributes
    assert found[semconv.USAGE_INPUT_TOKENS] == 1000
    assert found[semconv.USAGE_CACHE_READ_TOKENS] == 400
    assert found[semconv.USAGE_CACHE_WRITE_TOKENS] == 300
    assert found[semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS] == 100
    gate.assert_settled_once()


def test_the_request_id_of_the_provider_is_kept(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER, Fail(status=400))
    client = CONVERSE.client(gate.provider)
    reply = CONVERSE.create(client)
    assert gate.attributes[semconv.RESPONSE_ID] == reply["ResponseMetadata"]["RequestId"]
    with pytest.raises(client.exceptions.ValidationException) as raised:
        CONVERSE.create(client)
    failed = gate.records[-1]["attributes"]
    expected = raised.value.response["ResponseMetadata"]["RequestId"]
    assert failed[semconv.ERROR_REQUEST_ID] == expected
    assert failed[semconv.ERROR_STATUS_CODE] == 400
    assert failed[semconv.ERROR_TYPE] == "ValidationException"
    gate.assert_settled_once()


def test_a_tool_call_in_a_stream_is_part_of_what_was_streamed(gate: Gate) -> None:
    calls = (ToolCall(name="search", arguments={"query": "the weather in Bern"}),)
    gate.provider.enqueue(CutStream(after_chunks=5, reply=Reply(tool_calls=calls)))
    with pytest.raises(Exception, match=r"(?i)broken|reset|prematurely|incomplete"):
        list(CONVERSE.stream(CONVERSE.client(gate.provider)))
    assert gate.attributes[semconv.USAGE_OUTPUT_TOKENS] > 5
    gate.assert_settled_once()


def test_a_stream_that_is_left_and_taken_up_again_is_one_call(gate: Gate) -> None:
    gate.provider.enqueue(ANSWER)
    reply = CONVERSE.client(gate.provider).converse_stream(**CONVERSE.body)
    for event in reply["stream"]:
        if "contentBlockDelta" in event:
            break
    gc.collect()
    assert gate.open == 1
    assert any("metadata" in event for event in reply["stream"])
    assert_tokens(gate)
    gate.assert_settled_once()


def test_a_stream_is_still_what_type_checks_look_for(gate: Gate) -> None:
    from importlib import import_module

    eventstream: Any = import_module("botocore.eventstream")
    stream = CONVERSE.client(gate.provider).converse_stream(**CONVERSE.body)["stream"]
    assert isinstance(stream, eventstream.EventStream)
    stream.close()
    gate.assert_settled_once()


def test_an_error_in_a_stream_is_recorded(gate: Gate) -> None:
    gate.provider.enqueue(StreamError(after_chunks=3, code="throttlingException"))
    with pytest.raises(Exception, match="throttlingException"):
        list(CONVERSE.stream(CONVERSE.client(gate.provider)))
    assert gate.attributes[semconv.ERROR_TYPE] == "EventStreamError"
    assert gate.attributes[semconv.STREAM_OUTCOME] == "failed"
    gate.assert_settled_once()


def test_a_stream_is_cut_before_it_overruns_its_budget(provider: MockProvider) -> None:
    provider.enqueue(Reply(text="0123456789" * 800, chunks=80, chunk_delay_s=0.005))
    body = {**CONVERSE.body, "modelId": "nobody.knows-9", "inferenceConfig": {"topP": 0.5}}
    with gated(provider, limited("tokens", 4400)) as gate:
        stream = CONVERSE.client(provider).converse_stream(**body)["stream"]
        with pytest.raises(BudgetExceeded) as raised:
            list(stream)
        assert raised.value.reason == "stream_exhausted"
        assert gate.attributes[semconv.STREAM_OUTCOME] == "cut"
        assert gate.open == 0
        assert provider.wait_idle()
        assert provider.disconnected == 1


def test_a_request_without_an_output_limit_gets_the_default_one(provider: MockProvider) -> None:
    own = {"temperature": 0.5}
    with gated(provider, guard__default_max_output_tokens=77):
        client = CONVERSE.client(provider)
        client.converse(modelId=MODEL, messages=BLOCKS, inferenceConfig=own)
        CONVERSE.create(client)
    found = [request.body for request in provider.requests]
    assert [body and body["inferenceConfig"] for body in found] == [
        {"temperature": 0.5, "maxTokens": 77},
        {"maxTokens": 64},
    ]
    assert own == {"temperature": 0.5}


def test_the_request_is_sent_as_it_was_made(provider: MockProvider) -> None:
    with gated(provider):
        CONVERSE.create(CONVERSE.client(provider))
    CONVERSE.create(CONVERSE.client(provider))
    first, second = (request.body for request in provider.requests)
    assert first == second


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize("older", [False, True], ids=["newer", "older-than-its-gate"])
def test_attempts_are_counted_in_each_mode_of_retries(
    provider: MockProvider, mode: str, older: bool
) -> None:
    from importlib import import_module

    config_of: Any = import_module("botocore.config").Config
    config = config_of(retries={"mode": mode, "total_max_attempts": 2})
    merged = CONVERSE.client(provider).meta.config.merge(config)
    provider.enqueue(Fail(status=503), ANSWER)
    client = _with_config(provider, merged) if older else None
    with gated(provider) as gate:
        CONVERSE.create(client or _with_config(provider, merged))
        billed = sorted(str(r["attributes"][semconv.BILLING]) for r in gate.records)
        assert billed == ["attempt", "call"]
        gate.assert_settled_once()


def _with_config(provider: MockProvider, config: Any) -> Any:
    from importlib import import_module

    boto3: Any = import_module("boto3")
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=provider.bedrock_endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=config,
    )


def test_other_services_and_free_operations_pass_untouched(gate: Gate) -> None:
    from importlib import import_module

    boto3: Any = import_module("boto3")
    sts = boto3.client(
        "sts",
        endpoint_url=gate.provider.url,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    with pytest.raises(Exception, match="Unable to parse response"):
        sts.get_caller_identity()
    asked = {"converse": {"messages": BLOCKS}}
    counted = CONVERSE.client(gate.provider).count_tokens(modelId=MODEL, input=asked)
    assert counted["inputTokens"] > 0
    assert gate.spans == []
    assert gate.spent("calls") == 0


def test_parameters_that_make_no_sense_are_the_clients_to_refuse(gate: Gate) -> None:
    with pytest.raises(Exception, match="Parameter validation failed"):
        CONVERSE.client(gate.provider).converse(modelId=MODEL, messages="none")
    assert gate.attributes[semconv.BILLING] == "unsent"
    assert [gate.spent(metric) for metric in ("calls", "tokens", "cost")] == [0, 0, 0]
    gate.assert_settled_once()


def test_the_gate_is_reported_and_can_be_taken_out(provider: MockProvider) -> None:
    with gated(provider, limited("calls", 0)):
        assert _hooks.reports["botocore"].state == "active"
        with pytest.raises(BudgetExceeded):
            CONVERSE.create(CONVERSE.client(provider))
    assert provider.calls() == 0
    assert CONVERSE.create(CONVERSE.client(provider))


ARN = "arn:aws:bedrock:us-east-1:123456789012:"


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        (MODEL, MODEL),
        (f"us.{MODEL}", f"us.{MODEL}"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}", MODEL),
        (f"{ARN}inference-profile/us.{MODEL}", f"us.{MODEL}"),
        (f"{ARN}application-inference-profile/abc", "application-inference-profile/abc"),
        (f"{ARN}prompt/PROMPT12345:1", "prompt/PROMPT12345:1"),
    ],
)
def test_a_model_is_known_by_every_name_it_has(asked: str, model: str) -> None:
    assert model_of(asked) == model


def content_of(block: dict[str, Any], **more: Any) -> Any:
    params = {"modelId": MODEL, "messages": [{"role": "user", "content": [block]}], **more}
    asked = read_request("Converse", params)
    assert asked is not None
    return measure(asked.body)


RAW = bytes(range(256)) * 30


@pytest.mark.parametrize(
    ("block", "media"),
    [
        ({"image": {"format": "png", "source": {"bytes": RAW}}}, Media("image", 10240)),
        ({"video": {"format": "mp4", "source": {"bytes": RAW}}}, Media("file", 10240)),
        (
            {"document": {"format": "pdf", "name": "a", "source": {"bytes": RAW}}},
            Media("file", 10240),
        ),
        ({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a"}}}}, Media("image")),
        (
            {"toolResult": {"content": [{"image": {"source": {"bytes": RAW}}}]}},
            Media("image", 10240),
        ),
    ],
)
def test_what_is_no_text_is_measured_as_what_it_is(block: dict[str, Any], media: Media) -> None:
    content = content_of(block)
    assert content.media == (media,)
    assert content.text_bytes < 300


def test_a_document_of_plain_text_is_text() -> None:
    document = {"format": "txt", "name": "a", "source": {"bytes": b"word " * 500}}
    content = content_of({"document": document})
    assert content.media == ()
    assert content.text_bytes > 2500


def test_pictures_in_novas_words_are_pictures() -> None:
    data = base64.b64encode(RAW).decode()
    block = {"image": {"format": "png", "source": {"bytes": data}}}
    body = json.dumps({"messages": [{"role": "user", "content": [block]}]})
    asked = read_request("InvokeModel", {"modelId": "amazon.nova-lite-v1:0", "body": body})
    assert asked is not None
    assert measure(asked.body).media == (Media("image", len(data)),)


def test_a_prompt_that_lies_with_the_provider_is_unseen() -> None:
    asked = read_request("Converse", {"modelId": f"{ARN}prompt/PROMPT12345:1"})
    assert asked is not None
    assert [part.kind for part in measure(asked.body).media] == ["unseen"]


@pytest.mark.parametrize(
    ("model", "body", "operation"),
    [
        ("amazon.titan-embed-text-v2:0", {"inputText": "a"}, "embeddings"),
        ("cohere.embed-english-v3", {"texts": ["a"], "input_type": "x"}, "embeddings"),
        ("amazon.nova-canvas-v1:0", {"taskType": "TEXT_IMAGE"}, "generate_content"),
        ("meta.llama3-1-70b-instruct-v1:0", {"prompt": "a"}, "text_completion"),
        (MODEL, ANTHROPIC, "chat"),
    ],
)
def test_what_is_asked_is_told_by_the_body(model: str, body: Any, operation: str) -> None:
    asked = read_request("InvokeModel", {"modelId": model, "body": json.dumps(body)})
    assert asked is not None
    assert asked.operation == operation


def test_embeddings_of_titan_are_priced(gate: Gate) -> None:
    gate.provider.enqueue(Reply(usage=UsageSpec(input_tokens=1000, output_tokens=0)))
    body = json.dumps({"inputText": PROMPT})
    reply = CONVERSE.client(gate.provider).invoke_model(
        modelId="amazon.titan-embed-text-v2:0", body=body
    )
    assert json.loads(reply["body"].read())["embedding"]
    assert gate.attributes[semconv.OPERATION_NAME] == "embeddings"
    assert gate.attributes[semconv.COST_NANO_USD] == 20_000
    gate.assert_settled_once()
