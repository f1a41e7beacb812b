"""The pure and the scripted parts, without a server or a client."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.testing.clock import TickingClock
from spanledger.testing.providers import (
    Fail,
    ProviderScript,
    RecordedRequest,
    Reply,
    StreamError,
    ToolCall,
    UsageSpec,
    count_input_tokens,
    count_tokens,
)
from spanledger.testing.providers._tokens import split

CHAT = "/v1/chat/completions"


def ask(script: ProviderScript, text: str = "hi", model: str = "gpt-4o", path: str = CHAT) -> Any:
    """The decoded body of the reply to one whole request."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 99}
    exchange = script.receive("POST", path, {}, json.dumps(body).encode())
    exchange.ended()
    return json.loads(exchange.rendered.parts[0])


def said(script: ProviderScript, text: str = "hi", model: str = "gpt-4o") -> str:
    return str(ask(script, text, model)["choices"][0]["message"]["content"])


def test_enqueued_behaviours_come_first_then_rules_then_the_default() -> None:
    script = ProviderScript(Reply(text="default"))
    script.on("gpt-4o", Reply(text="rule"))
    script.on(lambda request: "gpt" in request.model, Reply(text="second rule"))
    script.enqueue(Reply(text="first"), Reply(text="second"))

    assert [said(script) for _ in range(3)] == ["first", "second", "rule"]
    assert said(script, model="gpt-5") == "second rule"
    assert said(script, model="o4") == "default"


def test_a_function_may_choose_the_behaviour_from_the_request() -> None:
    def choose(request: RecordedRequest) -> Reply:
        return Reply(text=f"{request.at_index}: {request.user_text.upper()}")

    script = ProviderScript(choose)

    assert [said(script, "a"), said(script, "b")] == ["0: A", "1: B"]


def test_reset_forgets_everything_but_the_default() -> None:
    script = ProviderScript(Reply(text="default"))
    script.on("gpt-4o", Reply(text="rule"))
    script.enqueue(Reply(text="queued"), Fail(status=500))
    said(script)

    script.reset()

    assert (script.calls(), script.pending) == (0, 0)
    assert said(script) == "default"
    assert script.requests[0].at_index == 0


def test_calls_are_counted_by_the_end_of_their_path() -> None:
    script = ProviderScript()
    ask(script)
    ask(script, path="/gateway/v1/messages?beta=true")

    assert script.calls() == 2
    assert script.calls("/messages") == script.calls(CHAT) == 1


def test_the_time_in_a_reply_is_the_clocks() -> None:
    script = ProviderScript(wall_clock=TickingClock(1_800_000_000))

    assert ask(script)["created"] == 1_800_000_000


def test_the_same_request_gives_the_same_reply_but_for_its_number() -> None:
    clock = TickingClock()
    first, again = (ask(ProviderScript(wall_clock=clock)) for _ in range(2))

    assert first == again


def test_waiting_for_idle_tells_that_a_reply_is_under_way() -> None:
    script = ProviderScript()
    exchange = script.receive("POST", CHAT, {}, b"{}")

    assert not script.wait_idle(timeout_s=0)
    exchange.ended()
    assert script.wait_idle(timeout_s=0)


def test_all_text_that_goes_in_is_counted_wherever_it_is_nested() -> None:
    body = {
        "system": [{"type": "text", "text": "one two"}],
        "messages": [
            {"role": "user", "content": "three"},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "four"}],
                "tool_calls": [{"function": {"name": "f", "arguments": "not counted"}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "content": "five six"}]},
        ],
        "tools": [{"name": "not counted", "description": "not counted either"}],
    }

    assert count_input_tokens(body) == 6
    assert count_input_tokens({"input": [[7, 8, 9], [10]]}) == 4
    assert count_input_tokens({}) == 1


@pytest.mark.parametrize(
    ("asked", "served"),
    [(None, "default"), ("auto", "default"), ("flex", "flex"), ("fast", "priority")],
)
def test_the_service_tier_is_the_one_that_openai_would_serve(asked: object, served: str) -> None:
    body = {"model": "m", "messages": [{}], "service_tier": asked}
    exchange = ProviderScript().receive("POST", CHAT, {}, json.dumps(body).encode())

    assert json.loads(exchange.rendered.parts[0])["service_tier"] == served


@pytest.mark.parametrize("body", [b"", b"[1]", b"{broken", b"\xff\xfe"])
@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
def test_a_body_that_is_no_json_object_is_refused(body: bytes, path: str) -> None:
    script = ProviderScript()
    exchange = script.receive("POST", path, {}, body)

    assert exchange.rendered.status == 400
    assert json.loads(exchange.rendered.parts[0])["error"]["type"] == "invalid_request_error"
    assert script.requests[0].body is None


def test_a_stream_error_without_a_stream_is_a_500() -> None:
    script = ProviderScript(StreamError(after_chunks=1, message="it broke"))

    assert ask(script)["error"]["message"] == "it broke"


def test_broken_tool_arguments_are_sent_as_they_are() -> None:
    script = ProviderScript(Reply(tool_calls=(ToolCall(name="f", arguments='{"half": '),)))

    (call,) = ask(script)["choices"][0]["message"]["tool_calls"]
    assert call["function"]["arguments"] == '{"half": '
    (block,) = ask(script, path="/v1/messages")["content"]
    assert block["input"] == {}  # a whole message cannot carry what is no object


def test_half_a_surrogate_pair_does_not_break_the_reply() -> None:
    assert said(ProviderScript(), "a \ud800 b") == "echo: a ? b"


@given(st.text())
def test_a_text_never_has_more_tokens_than_bytes(text: str) -> None:
    assert count_tokens(text) <= len(text.encode("utf-8", "surrogatepass"))


@given(st.text(), st.one_of(st.none(), st.integers(1, 50)))
def test_the_parts_of_a_text_join_to_the_text(text: str, chunks: int | None) -> None:
    parts = split(text, chunks)

    assert "".join(parts) == text
    assert chunks is None or len(parts) == chunks


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"input_tokens": -1, "output_tokens": 0}, "must be >= 0"),
        ({"input_tokens": 5, "output_tokens": 0, "cache_read_tokens": 6}, "cannot be larger"),
        (
            {
                "input_tokens": 5,
                "output_tokens": 0,
                "cache_read_tokens": 3,
                "cache_write_tokens": 3,
            },
            "cannot be larger",
        ),
        ({"input_tokens": 5, "output_tokens": 1, "reasoning_tokens": 2}, "output_tokens"),
        ({"input_tokens": 5, "output_tokens": 1, "cache_write_1h_tokens": 2}, "cache_write"),
    ],
)
def test_usage_that_does_not_add_up_is_refused(counts: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UsageSpec(**counts)


def test_behaviours_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 delta"):
        Reply(chunks=0)
    with pytest.raises(ValueError, match="one or the other"):
        Reply(text="yes", refusal="no")
    with pytest.raises(ValueError, match="400 to 599"):
        Fail(status=200)
