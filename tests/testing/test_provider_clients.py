"""The real client packages against the mock server: sync and async, whole and streamed."""

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from spanledger.testing.providers import MockProvider, Reply, ToolCall, UsageSpec

SAY: list[ChatCompletionMessageParam] = [{"role": "user", "content": "count these four words"}]
ASK: list[anthropic.types.MessageParam] = [{"role": "user", "content": "count these four words"}]
TOOLS = Reply(
    text="Let me look.",
    tool_calls=(ToolCall(name="search", arguments={"query": "Bern", "limit": 3}),),
)


class City(BaseModel):
    name: str
    people: int


@pytest.fixture
def client(mock_provider: MockProvider) -> openai.OpenAI:
    return openai.OpenAI(base_url=mock_provider.openai_base_url, api_key="none", max_retries=0)


@pytest.fixture
def async_client(mock_provider: MockProvider) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=mock_provider.openai_base_url, api_key="none", max_retries=0)


@pytest.fixture
def claude(mock_provider: MockProvider) -> anthropic.Anthropic:
    url = mock_provider.anthropic_base_url
    return anthropic.Anthropic(base_url=url, api_key="none", max_retries=0)


@pytest.fixture
def async_claude(mock_provider: MockProvider) -> anthropic.AsyncAnthropic:
    url = mock_provider.anthropic_base_url
    return anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0)


def test_an_unscripted_chat_echoes_and_reports_words(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="gpt-4o-mini", messages=SAY)

    assert reply.choices[0].message.content == "echo: count these four words"
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (4, 5)


def test_a_chat_stream_joins_to_the_text(
    client: openai.OpenAI, mock_provider: MockProvider
) -> None:
    mock_provider.enqueue(Reply(text="A text in seven parts, no less.", chunks=7))

    with client.chat.completions.create(
        model="gpt-4o-mini", messages=SAY, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)

    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "A text in seven parts, no less."
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 7


def test_the_chat_stream_helper_assembles_tool_calls(
    client: openai.OpenAI, mock_provider: MockProvider
) -> None:
    mock_provider.enqueue(TOOLS)

    with client.chat.completions.stream(model="gpt-4o-mini", messages=SAY) as stream:
        stream.until_done()
        choice = stream.get_final_completion().choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me look."
    calls = choice.message.tool_calls or []
    assert [(c.function.name, c.function.arguments) for c in calls] == [
        ("search", '{"query": "Bern", "limit": 3}')
    ]


def test_structured_output_is_parsed(client: openai.OpenAI, mock_provider: MockProvider) -> None:
    mock_provider.enqueue(Reply(text='{"name": "Bern", "people": 134000}'))

    reply = client.chat.completions.parse(model="gpt-4o", messages=SAY, response_format=City)

    assert reply.choices[0].message.parsed == City(name="Bern", people=134000)


def test_several_choices_are_counted_and_streamed(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o-mini", messages=SAY, n=3)
    chunks = client.chat.completions.create(model="gpt-4o-mini", messages=SAY, n=3, stream=True)

    assert whole.usage is not None
    assert (len(whole.choices), whole.usage.completion_tokens) == (3, 15)
    assert {chunk.choices[0].index for chunk in chunks} == {0, 1, 2}


def test_a_text_longer_than_the_limit_is_cut(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="gpt-4o-mini", messages=SAY, max_completion_tokens=2
    )

    assert reply.choices[0].message.content == "echo: count"
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 2


def test_a_response_and_its_stream_say_the_same(
    client: openai.OpenAI, mock_provider: MockProvider
) -> None:
    reply = Reply(text="Forty two.", reasoning_text="let me think", tool_calls=TOOLS.tool_calls)
    mock_provider.enqueue(reply, reply)

    whole = client.responses.create(model="gpt-5-mini", input="why?")
    with client.responses.stream(model="gpt-5-mini", input="why?") as stream:
        streamed = stream.until_done().get_final_response()

    assert whole.output_text == streamed.output_text == "Forty two."
    assert [item.type for item in streamed.output] == ["reasoning", "message", "function_call"]
    assert whole.usage == streamed.usage
    assert whole.usage is not None
    assert whole.usage.output_tokens_details.reasoning_tokens == 3


def test_a_refused_response_carries_the_refusal(
    client: openai.OpenAI, mock_provider: MockProvider
) -> None:
    mock_provider.enqueue(Reply(refusal="I cannot help with that."))

    with client.responses.stream(model="gpt-5-mini", input="why?") as stream:
        (item,) = stream.until_done().get_final_response().output

    assert item.type == "message"
    assert [part.type for part in item.content] == ["refusal"]


def test_embeddings_depend_on_the_text_alone(client: openai.OpenAI) -> None:
    model = "text-embedding-3-small"
    packed = client.embeddings.create(model=model, input=["a b", "c"], dimensions=16)
    plain = client.embeddings.create(
        model=model, input="a b", dimensions=16, encoding_format="float"
    )
    tokens = client.embeddings.create(model=model, input=[[1, 2, 3], [4, 5]])

    assert packed.data[0].embedding == plain.data[0].embedding
    assert packed.data[0].embedding != packed.data[1].embedding
    assert len(packed.data[0].embedding) == 16
    assert packed.usage.prompt_tokens == 3
    assert (len(tokens.data), tokens.usage.prompt_tokens) == (2, 5)


def test_legacy_completions_answer_and_stream(client: openai.OpenAI) -> None:
    whole = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="say this")
    parts = client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="say this", stream=True
    )

    assert whole.choices[0].text == "".join(part.choices[0].text for part in parts)
    assert whole.choices[0].text == "echo: say this"


def test_a_message_and_its_stream_say_the_same(
    claude: anthropic.Anthropic, mock_provider: MockProvider
) -> None:
    reply = Reply(text="Forty two.", reasoning_text="let me think", tool_calls=TOOLS.tool_calls)
    mock_provider.enqueue(reply, reply)

    whole = claude.messages.create(model="claude-sonnet-5", max_tokens=100, messages=ASK)
    with claude.messages.stream(model="claude-sonnet-5", max_tokens=100, messages=ASK) as stream:
        streamed = stream.get_final_message()

    assert [block.type for block in streamed.content] == ["thinking", "text", "tool_use"]
    assert streamed.content[2].to_dict()["input"] == {"query": "Bern", "limit": 3}
    assert whole.stop_reason == streamed.stop_reason == "tool_use"
    assert whole.usage.output_tokens == streamed.usage.output_tokens
    assert [b.type for b in whole.content] == [b.type for b in streamed.content]


def test_cache_tokens_reach_the_client(
    claude: anthropic.Anthropic, mock_provider: MockProvider
) -> None:
    usage = UsageSpec(
        input_tokens=100,
        output_tokens=7,
        cache_read_tokens=40,
        cache_write_tokens=30,
        cache_write_1h_tokens=10,
    )
    mock_provider.on("claude-sonnet-5", Reply(text="x", usage=usage, service_tier="priority"))

    got = claude.messages.create(model="claude-sonnet-5", max_tokens=100, messages=ASK).usage

    # As a dictionary, since the models of older releases do not name every field.
    wire = got.to_dict()
    assert (wire["input_tokens"], wire["cache_read_input_tokens"]) == (30, 40)
    assert wire["cache_creation"] == {
        "ephemeral_5m_input_tokens": 20,
        "ephemeral_1h_input_tokens": 10,
    }
    assert wire["service_tier"] == "priority"


def test_a_refused_message_has_the_stop_reason_refusal(
    claude: anthropic.Anthropic, mock_provider: MockProvider
) -> None:
    mock_provider.enqueue(Reply(refusal="I cannot help with that."))

    with claude.messages.stream(model="claude-sonnet-5", max_tokens=100, messages=ASK) as stream:
        message = stream.get_final_message()

    assert message.stop_reason == "refusal"


def test_tokens_are_counted_without_a_reply(claude: anthropic.Anthropic) -> None:
    count = claude.messages.count_tokens(model="claude-sonnet-5", system="Be brief.", messages=ASK)

    assert count.input_tokens == 6


async def test_async_chat_and_responses(async_client: openai.AsyncOpenAI) -> None:
    whole = await async_client.chat.completions.create(model="gpt-4o-mini", messages=SAY)
    async with async_client.chat.completions.stream(model="gpt-4o-mini", messages=SAY) as chat:
        completion = await chat.get_final_completion()
    async with async_client.responses.stream(model="gpt-4o-mini", input="hi") as stream:
        response = await stream.get_final_response()

    assert whole.choices[0].message.content == completion.choices[0].message.content
    assert response.output_text == "echo: hi"


async def test_async_messages(async_claude: anthropic.AsyncAnthropic) -> None:
    model = "claude-sonnet-5"
    whole = await async_claude.messages.create(model=model, max_tokens=100, messages=ASK)
    async with async_claude.messages.stream(model=model, max_tokens=100, messages=ASK) as stream:
        streamed = await stream.get_final_message()

    assert whole.content[0].to_dict() == streamed.content[0].to_dict()
    assert whole.usage.output_tokens == streamed.usage.output_tokens == 5


def test_ids_and_rate_limits_are_on_every_reply(
    client: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    chat = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=SAY)
    message = claude.messages.with_raw_response.create(
        model="claude-sonnet-5", max_tokens=9, messages=ASK
    )

    assert chat.request_id == "req_mock_000000"
    assert int(chat.headers["x-ratelimit-remaining-tokens"]) > 0
    assert message.headers["request-id"] == "req_mock_000001"
    assert message.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
