"""The in-process transports, on the real client packages."""

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from spanledger.testing.providers import (
    CutStream,
    Fail,
    Hang,
    ProviderScript,
    Reply,
    http_library,
    mock_async_http_client,
    mock_http_client,
)

SAY: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
ASK: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hi"}]


def sync_openai(script: ProviderScript | Reply) -> openai.OpenAI:
    return openai.OpenAI(api_key="none", http_client=mock_http_client(script), max_retries=0)


def async_openai(script: ProviderScript) -> openai.AsyncOpenAI:
    client = mock_async_http_client(script)
    return openai.AsyncOpenAI(api_key="none", http_client=client, max_retries=0)


def test_the_library_is_the_one_the_client_is_built_on() -> None:
    assert http_library("openai").Client in openai.DefaultHttpxClient.__mro__
    assert http_library("anthropic").Client in anthropic.DefaultHttpxClient.__mro__


def test_one_behaviour_is_enough() -> None:
    client = sync_openai(Reply(text="again"))

    for _ in range(2):
        reply = client.chat.completions.create(model="gpt-4o", messages=SAY)
        assert reply.choices[0].message.content == "again"


def test_whole_and_streamed_replies_arrive_and_are_recorded() -> None:
    script = ProviderScript()
    client = sync_openai(script)

    whole = client.chat.completions.create(model="gpt-4o", messages=SAY)
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=SAY, stream=True))

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == whole.choices[0].message.content == "echo: hi"
    assert [(r.completed, r.disconnected) for r in script.requests] == [(True, False)] * 2
    assert script.requests[1].chunks_sent == len(chunks) + 1  # and the end mark
    assert script.wait_idle(timeout_s=0)


async def test_the_async_client_streams_from_the_same_transport() -> None:
    script = ProviderScript(Reply(text="one two three", chunk_delay_s=0.001))
    client = async_openai(script)

    stream = await client.chat.completions.create(model="gpt-4o", messages=SAY, stream=True)
    texts = [chunk.choices[0].delta.content or "" async for chunk in stream]

    assert "".join(texts) == "one two three"
    assert script.requests[0].completed


async def test_anthropic_clients_of_both_kinds() -> None:
    script = ProviderScript(Reply(text="Hello."))
    sync = anthropic.Anthropic(
        api_key="none", http_client=mock_http_client(script, client="anthropic")
    )
    asynchronous = anthropic.AsyncAnthropic(
        api_key="none", http_client=mock_async_http_client(script, client="anthropic")
    )

    whole = sync.messages.create(model="claude-sonnet-5", max_tokens=9, messages=ASK)
    async with asynchronous.messages.stream(
        model="claude-sonnet-5", max_tokens=9, messages=ASK
    ) as stream:
        text = await stream.get_final_text()

    assert whole.content[0].to_dict()["text"] == text == "Hello."
    assert script.calls("/v1/messages") == 2


def test_a_stream_that_is_left_early_counts_as_disconnected() -> None:
    script = ProviderScript(Reply(text="one two three four five"))
    stream = sync_openai(script).chat.completions.create(model="gpt-4o", messages=SAY, stream=True)

    next(iter(stream))
    stream.close()

    assert (script.disconnected, script.requests[0].completed) == (1, False)
    assert script.wait_idle(timeout_s=0)


@pytest.mark.parametrize("stream", [True, False])
def test_a_cut_is_the_librarys_own_error(stream: bool) -> None:
    script = ProviderScript(CutStream(after_chunks=2))
    client = sync_openai(script)

    def read() -> None:
        reply = client.chat.completions.create(model="gpt-4o", messages=SAY, stream=stream)
        if isinstance(reply, openai.Stream):
            list(reply)

    # Before 3.x the client lets the library's own error through in mid-stream.
    with pytest.raises((openai.APIConnectionError, http_library("openai").RemoteProtocolError)):
        read()
    assert script.wait_idle(timeout_s=0)
    assert not script.requests[0].completed
    assert script.disconnected == 0


async def test_a_hang_is_a_time_out_and_a_failure_a_status() -> None:
    script = ProviderScript()
    script.enqueue(Hang(), Fail(status=429), Hang(), Fail(status=500))
    client = async_openai(script)

    with pytest.raises(openai.APITimeoutError):
        sync_openai(script).chat.completions.create(model="gpt-4o", messages=SAY)
    with pytest.raises(openai.RateLimitError):
        sync_openai(script).chat.completions.create(model="gpt-4o", messages=SAY)
    with pytest.raises(openai.APITimeoutError):
        await client.chat.completions.create(model="gpt-4o", messages=SAY)
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model="gpt-4o", messages=SAY)


def test_a_client_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    http_library.cache_clear()
    monkeypatch.setattr("sys.path", [])

    with pytest.raises(ModuleNotFoundError, match="pip install openai"):
        http_library("openai")
