"""Errors, cuts, hangs and clients that leave, as the real client packages see them."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from spanledger.testing.providers import (
    CutStream,
    Fail,
    Hang,
    Malformed,
    MockProvider,
    RecordedRequest,
    Reply,
    StreamError,
    http_library,
)

SAY: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
ASK: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hi"}]
#: What a connection lost in mid-stream is; before 3.x the client lets the library's own through.
LOST = (openai.APIConnectionError, http_library("openai").TransportError)
LONG = Reply(text="one two three four five six seven eight nine ten")


def openai_client(provider: MockProvider, retries: int = 0, timeout_s: float = 5) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=provider.openai_base_url, api_key="none", max_retries=retries, timeout=timeout_s
    )


def anthropic_client(provider: MockProvider) -> anthropic.Anthropic:
    url = provider.anthropic_base_url
    return anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, timeout=5)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, openai.BadRequestError, None),
        (401, openai.AuthenticationError, "invalid_api_key"),
        (404, openai.NotFoundError, "model_not_found"),
        (429, openai.RateLimitError, "rate_limit_exceeded"),
        (500, openai.InternalServerError, None),
        (503, openai.InternalServerError, None),
    ],
)
def test_openai_errors_are_the_clients_own_types(
    mock_provider: MockProvider, status: int, error: type[openai.APIStatusError], code: str | None
) -> None:
    mock_provider.enqueue(Fail(status=status, retry_after_s=7))

    with pytest.raises(error) as caught:
        openai_client(mock_provider).chat.completions.create(model="gpt-4o", messages=SAY)

    assert caught.value.code == code
    assert caught.value.request_id == "req_mock_000000"
    assert caught.value.response.headers["retry-after"] == "7"
    assert mock_provider.requests[0].status == status


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (413, anthropic.APIStatusError, "request_too_large"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.APIStatusError, "overloaded_error"),
    ],
)
def test_anthropic_errors_are_the_clients_own_types(
    mock_provider: MockProvider, status: int, error: type[anthropic.APIStatusError], kind: str
) -> None:
    mock_provider.enqueue(Fail(status=status))

    with pytest.raises(error) as caught:
        anthropic_client(mock_provider).messages.create(
            model="claude-sonnet-5", max_tokens=9, messages=ASK
        )

    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["type"] == kind


def test_an_exhausted_account_is_told_from_a_rate_limit(mock_provider: MockProvider) -> None:
    mock_provider.enqueue(Fail(status=429, code="insufficient_quota"))

    with pytest.raises(openai.RateLimitError) as caught:
        openai_client(mock_provider).chat.completions.create(model="gpt-4o", messages=SAY)

    assert caught.value.type == caught.value.code == "insufficient_quota"


def test_the_client_retries_as_told_and_every_attempt_is_recorded(
    mock_provider: MockProvider,
) -> None:
    mock_provider.enqueue(Fail(status=429, retry_after_s=0.01), Fail(status=500))
    mock_provider.enqueue(Reply(text="at last"))
    client = openai_client(mock_provider, retries=2)

    reply = client.chat.completions.create(model="gpt-4o", messages=SAY)

    assert reply.choices[0].message.content == "at last"
    assert [request.status for request in mock_provider.requests] == [429, 500, 200]
    retries = [r.headers["x-stainless-retry-count"] for r in mock_provider.requests]
    assert retries == ["0", "1", "2"]


def test_an_error_event_breaks_a_chat_stream(mock_provider: MockProvider) -> None:
    mock_provider.enqueue(StreamError(after_chunks=3, reply=LONG, message="it broke"))
    stream = openai_client(mock_provider).chat.completions.create(
        model="gpt-4o", messages=SAY, stream=True
    )

    with pytest.raises(openai.APIError, match="it broke"):
        list(stream)

    assert mock_provider.wait_idle()
    assert mock_provider.chunks_sent == 4


def test_an_error_event_breaks_a_message_stream(mock_provider: MockProvider) -> None:
    mock_provider.enqueue(StreamError(after_chunks=4, reply=LONG))
    stream = anthropic_client(mock_provider).messages.create(
        model="claude-sonnet-5", max_tokens=99, messages=ASK, stream=True
    )

    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        list(stream)


def test_a_nested_error_event_breaks_a_response_stream(mock_provider: MockProvider) -> None:
    mock_provider.enqueue(StreamError(after_chunks=4, reply=LONG, message="it broke"))
    stream = openai_client(mock_provider).responses.create(model="gpt-4o", input="x", stream=True)

    with pytest.raises(openai.APIError, match="it broke"):
        list(stream)


def test_a_failed_response_ends_its_stream_without_an_exception(
    mock_provider: MockProvider,
) -> None:
    failure = StreamError(after_chunks=4, reply=LONG, responses_event="failed")
    mock_provider.enqueue(failure)
    stream = openai_client(mock_provider).responses.create(model="gpt-4o", input="x", stream=True)

    last = list(stream)[-1]

    assert last.type == "response.failed"
    assert last.response.status == "failed"
    assert last.response.usage is None


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_cut_connection_is_an_error_and_the_next_call_works(
    mock_provider: MockProvider, stream: bool, reset: bool
) -> None:
    mock_provider.enqueue(CutStream(after_chunks=3, reply=LONG, reset=reset))
    client = openai_client(mock_provider)

    with pytest.raises(LOST):
        _read(client, stream=stream)

    assert mock_provider.wait_idle()
    assert not mock_provider.requests[0].completed
    assert not mock_provider.requests[0].disconnected
    _read(client, stream=stream)
    assert mock_provider.requests[1].completed


def _read(client: openai.OpenAI, *, stream: bool) -> None:
    if stream:
        list(client.chat.completions.create(model="gpt-4o", messages=SAY, stream=True))
    else:
        client.chat.completions.create(model="gpt-4o", messages=SAY)


def test_a_cut_after_exactly_so_many_events(mock_provider: MockProvider) -> None:
    mock_provider.enqueue(CutStream(after_chunks=5, reply=LONG))
    stream = openai_client(mock_provider).chat.completions.create(
        model="gpt-4o", messages=SAY, stream=True
    )

    for _ in range(5):
        next(stream)
    with pytest.raises(LOST):
        next(stream)
    assert mock_provider.chunks_sent == 5


def test_a_cut_before_the_first_event(mock_provider: MockProvider) -> None:
    mock_provider.enqueue(CutStream(after_chunks=0, reply=LONG))
    stream = anthropic_client(mock_provider).messages.create(
        model="claude-sonnet-5", max_tokens=99, messages=ASK, stream=True
    )

    with pytest.raises(Exception, match="incomplete chunked read"):
        next(iter(stream))


def test_a_hanging_provider_times_the_client_out(mock_provider: MockProvider) -> None:
    mock_provider.enqueue(Hang())

    with pytest.raises(openai.APITimeoutError):
        openai_client(mock_provider, timeout_s=0.1).chat.completions.create(
            model="gpt-4o", messages=SAY
        )

    assert mock_provider.wait_idle()
    assert mock_provider.disconnected == 1
    assert mock_provider.requests[0].status is None


def test_a_hang_that_ends_is_a_lost_connection(mock_provider: MockProvider) -> None:
    mock_provider.enqueue(Hang(seconds=0.02))

    with pytest.raises(openai.APIConnectionError):
        openai_client(mock_provider).chat.completions.create(model="gpt-4o", messages=SAY)

    assert mock_provider.wait_idle()
    assert mock_provider.disconnected == 0


def test_stopping_ends_a_hang_at_once() -> None:
    provider = MockProvider(Hang()).start()
    client = openai_client(provider)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.chat.completions.create, model="gpt-4o", messages=SAY)
        _until(lambda: provider.calls() == 1)
        started = time.monotonic()
        provider.stop()

        assert isinstance(call.exception(timeout=5), openai.APIConnectionError)
    assert time.monotonic() - started < 2
    assert provider.wait_idle()
    assert provider.disconnected == 0


def test_a_client_that_leaves_a_stream_stops_the_server(mock_provider: MockProvider) -> None:
    words = " ".join(["word"] * 500)
    mock_provider.enqueue(Reply(text=words, chunk_delay_s=0.005))
    stream = openai_client(mock_provider).chat.completions.create(
        model="gpt-4o", messages=SAY, stream=True
    )

    for number, _ in enumerate(stream):
        if number == 3:
            break
    stream.close()

    assert mock_provider.wait_idle()
    assert mock_provider.disconnected == 1
    assert 4 <= mock_provider.chunks_sent < 100
    assert not mock_provider.requests[0].completed


def test_a_malformed_reply_has_status_200(mock_provider: MockProvider) -> None:
    mock_provider.enqueue(Malformed())

    with pytest.raises(json.JSONDecodeError):
        openai_client(mock_provider).chat.completions.create(model="gpt-4o", messages=SAY)

    assert mock_provider.requests[0].status == 200


def test_an_invalid_request_is_refused_before_any_behaviour_is_used(
    mock_provider: MockProvider,
) -> None:
    mock_provider.enqueue(Reply(text="kept"))
    client = openai_client(mock_provider)

    with pytest.raises(openai.BadRequestError, match="model: Field required"):
        client.post("/chat/completions", body={"messages": []}, cast_to=object)
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.post("/nothing/here", body={}, cast_to=object)

    assert mock_provider.pending == 1
    reply = client.chat.completions.create(model="gpt-4o", messages=SAY)
    assert reply.choices[0].message.content == "kept"


def test_a_failing_behaviour_function_is_told_to_its_author(mock_provider: MockProvider) -> None:
    def broken(request: RecordedRequest) -> Reply:
        raise LookupError(f"no answer for {request.model}")

    mock_provider.on("gpt-4o", broken)

    with pytest.raises(openai.InternalServerError, match="no answer for gpt-4o"):
        openai_client(mock_provider, retries=2).chat.completions.create(
            model="gpt-4o", messages=SAY
        )
    assert mock_provider.calls() == 1
    assert mock_provider.wait_idle()


def test_garbage_and_half_requests_do_not_hurt_the_server(mock_provider: MockProvider) -> None:
    port = int(mock_provider.url.rpartition(":")[2])
    for raw in (b"\x16\x03\x01 not http\r\n\r\n", b"POST /v1/chat", b"POST /x HTTP/1.1\r\nA: b"):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(raw)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 400 ")

    _read(openai_client(mock_provider), stream=True)


def test_a_given_port_is_used_and_the_server_can_come_back() -> None:
    provider = MockProvider().start()
    url = provider.url
    client = openai_client(provider)
    _read(client, stream=False)
    provider.stop()

    with pytest.raises(openai.APIConnectionError):
        _read(client, stream=False)
    with provider:
        assert provider.url == url
        _read(client, stream=False)
    assert provider.calls() == 2


def test_a_port_that_is_taken_is_an_error(mock_provider: MockProvider) -> None:
    port = int(mock_provider.url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        MockProvider(port=port).start()


def test_many_clients_at_once_are_all_answered_and_counted(mock_provider: MockProvider) -> None:
    clients, calls = 16, 10
    barrier = threading.Barrier(clients)

    def work(number: int) -> list[str | None]:
        client = openai_client(mock_provider)
        barrier.wait()
        texts = []
        for call in range(calls):
            reply = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": f"{number}-{call}"}]
            )
            texts.append(reply.choices[0].message.content)
        return texts

    with ThreadPoolExecutor(clients) as pool:
        answers = list(pool.map(work, range(clients)))

    assert mock_provider.wait_idle()
    expected = [[f"echo: {n}-{c}" for c in range(calls)] for n in range(clients)]
    assert answers == expected
    assert mock_provider.calls("/chat/completions") == clients * calls
    assert [r.at_index for r in mock_provider.requests] == list(range(clients * calls))
    assert all(request.completed for request in mock_provider.requests)


def _until(condition: object, timeout_s: float = 5) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition never became true"
        time.sleep(0.001)
