"""A conversation stays below its limit by itself, and says what it did."""

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.context import (
    ContextError,
    ContextTooSmall,
    Conversation,
    InvalidMessage,
    ModelUnknown,
    Preset,
    count_messages,
)
from tests.context._talks import (
    CLAUDE,
    OPENAI,
    Talk,
    anthropic_talks,
    openai_talks,
    refused_by_anthropic,
    refused_by_openai,
)

LONG = "words that fill the window of the model "
NOW_S = 1_800_000_000.0


def filled(preset: str = "balanced", **options: Any) -> Conversation:
    talk = Conversation(OPENAI, limit_tokens=600, preset=preset, clock=lambda: NOW_S, **options)  # type: ignore[arg-type]  # a name of a preset
    for number in range(30):
        role = "assistant" if number % 2 else "user"
        talk.add(role, f"number {number}: {LONG * 3}")
    return talk


@pytest.mark.parametrize("preset", ["light", "balanced", "heavy"])
def test_every_preset_keeps_a_conversation_below_its_limit(preset: str) -> None:
    talk = filled(preset)

    assert 0 < talk.tokens <= talk.limit_tokens
    assert talk.tokens == count_messages(talk.messages, OPENAI).tokens
    assert talk.messages[-1]["content"].startswith("number 29")
    assert talk.history[-1].at_s == NOW_S
    assert talk.status()["compressions"] == len(talk.history)
    assert talk.status()["saved_tokens"] > 0


def test_a_heavy_one_keeps_a_single_summary_of_what_is_gone() -> None:
    talk = filled("heavy")

    assert talk.status()["summaries"] == 1
    assert talk.history[-1].summarised
    assert talk.entries[0].is_summary


@pytest.mark.parametrize("preset", ["light", "balanced", "heavy"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(talk=openai_talks(broken=False))
def test_openai_takes_every_request_of_it(preset: Any, talk: Talk) -> None:
    conversation = Conversation(OPENAI, dialect="openai", limit_tokens=300, preset=preset)
    for message in talk:
        before = conversation.messages
        try:
            conversation.add(message)
        except ContextTooSmall:
            # What came before it may have been compressed for it; nothing else.
            assert len(conversation.messages) <= len(before)
            break
        sent = conversation.request()["messages"]
        counted = count_messages(sent, OPENAI).tokens
        assert counted <= conversation.tokens <= conversation.limit_tokens
        if message["role"] != "tool":
            assert refused_by_openai(sent) == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(talk=anthropic_talks(broken=False), preset=st.sampled_from(["light", "balanced", "heavy"]))
def test_anthropic_takes_every_request_of_it(preset: Any, talk: Talk) -> None:
    conversation = Conversation(CLAUDE, system="Be.", limit_tokens=9000, preset=preset)
    for message in talk:
        try:
            conversation.add(message)
        except ContextTooSmall:
            break
        request = conversation.request()
        assert refused_by_anthropic(request["messages"]) == []
        counted = count_messages(request["messages"], CLAUDE, system=request["system"]).tokens
        assert counted <= conversation.tokens <= conversation.limit_tokens


def test_a_pinned_message_stays_and_its_metadata_is_never_sent() -> None:
    talk = Conversation(OPENAI, limit_tokens=400)
    talk.add("user", "my name is Ada", pinned=True, metadata={"source": "form"})
    for _ in range(20):
        talk.add("assistant", LONG * 4)

    assert talk.messages[0] == {"role": "user", "content": "my name is Ada"}
    assert talk.entries[0].metadata == {"source": "form"}
    assert talk.status()["pinned"] == 1


def test_what_the_caller_says_matters_is_kept_before_what_he_says_does_not() -> None:
    preset = Preset("mine", 0.9, 0.5, "keep_important", 1)
    talk = Conversation(OPENAI, limit_tokens=500, preset=preset)
    for number in range(12):
        talk.add("user", f"{number} {LONG * 6}", priority=1.0 if number in {2, 5} else 0.0)

    kept = [message["content"].split()[0] for message in talk.messages]
    assert {"2", "5"} <= {*kept}
    assert len(kept) < 12


def test_a_message_that_can_not_fit_is_not_added() -> None:
    talk = Conversation(OPENAI, limit_tokens=200)
    talk.add("user", "short")
    before = talk.tokens

    with pytest.raises(ContextTooSmall) as refusal:
        talk.add("user", LONG * 100)

    assert refusal.value.needed_tokens > refusal.value.limit_tokens == 200
    assert [message["content"] for message in talk.messages] == ["short"]
    assert talk.tokens == before


def test_a_system_prompt_that_fills_the_limit_is_refused_at_once() -> None:
    with pytest.raises(ContextTooSmall):
        Conversation(OPENAI, system=LONG * 100, limit_tokens=100)


def test_a_model_without_a_known_window_needs_a_limit() -> None:
    with pytest.raises(ModelUnknown, match="limit_tokens"):
        Conversation("nobody/knows-this")
    assert Conversation("nobody/knows-this", limit_tokens=100).limit_tokens == 100


def test_something_that_is_no_message_is_refused() -> None:
    talk = Conversation(OPENAI)
    with pytest.raises(InvalidMessage, match="role"):
        talk.add({"role": "robot", "content": "hello"})
    with pytest.raises(TypeError, match="no message"):
        talk.add(17)
    assert talk.messages == []


def test_what_a_client_answered_can_be_added_as_it_is() -> None:
    from openai.types.chat import ChatCompletionMessage

    talk = Conversation(OPENAI)
    talk.add(ChatCompletionMessage(role="assistant", content="hello"))

    assert talk.messages == [{"role": "assistant", "content": "hello"}]


def test_the_system_prompt_stands_where_the_provider_wants_it() -> None:
    for model, beside in ((OPENAI, False), (CLAUDE, True)):
        talk = Conversation(model, system="Be brief.")
        talk.add("user", "hello")
        request = talk.request()
        assert ("system" in request) == beside
        assert (request["messages"][0]["role"] == "system") != beside


def test_a_tool_is_run_and_its_call_and_result_are_added_as_one() -> None:
    for model, refused in ((OPENAI, refused_by_openai), (CLAUDE, refused_by_anthropic)):
        talk = Conversation(model)
        talk.add("user", "what is 2 + 3?")
        assert talk.execute_tool(lambda a, b: a + b, {"a": 2, "b": 3}, name="plus") == 5
        assert len(talk.messages) == 3
        assert refused(talk.messages) == []


def test_a_tool_that_raises_leaves_its_error_as_the_result() -> None:
    def broken() -> None:
        raise LookupError("no such parcel")

    talk = Conversation(CLAUDE)
    talk.add("user", "where is it?")
    with pytest.raises(LookupError):
        talk.execute_tool(broken)

    block = talk.messages[-1]["content"][0]
    assert block["is_error"]
    assert "no such parcel" in block["content"]
    assert refused_by_anthropic(talk.messages) == []


def test_the_result_of_a_call_of_the_model_gets_the_models_id() -> None:
    talk = Conversation(OPENAI)
    function = {"name": "plus", "arguments": "{}"}
    call = {"id": "call_7", "type": "function", "function": function}
    talk.add({"role": "assistant", "content": None, "tool_calls": [call]})
    talk.execute_tool(lambda: 4, call_id="call_7")

    assert len(talk.messages) == 2
    assert talk.messages[-1]["tool_call_id"] == "call_7"


async def _aexecuted(talk: Conversation) -> Any:
    async def plus(a: int, b: int) -> int:
        return a + b

    return await talk.aexecute_tool(plus, {"a": 1, "b": 2})


def test_an_async_tool_is_awaited() -> None:
    talk = Conversation(OPENAI)
    assert asyncio.run(_aexecuted(talk)) == 3
    assert talk.messages[-1]["content"] == "3"


def test_an_async_summariser_is_awaited_and_the_plain_verbs_refuse_it() -> None:
    async def summariser(text: str, max_tokens: int) -> str:
        await asyncio.sleep(0)
        return f"{len(text)} characters"

    talk = Conversation(OPENAI, limit_tokens=600, preset="heavy", summariser=summariser)
    with pytest.raises(ContextError, match="aadd"):
        talk.add("user", "hello")

    async def run() -> str:
        for number in range(20):
            await talk.aadd("user", f"{number} {LONG * 4}")
        return await talk.asummary(50)

    assert "characters" in asyncio.run(run())
    assert "characters" in talk.messages[0]["content"]
    assert talk.tokens <= 600


def test_a_summariser_that_fails_does_not_stop_the_agent() -> None:
    def summariser(text: str, max_tokens: int) -> str:
        raise ConnectionError("the model is away")

    talk = filled("heavy", summariser=summariser)

    assert talk.tokens <= talk.limit_tokens
    assert {record.strategy for record in talk.history} == {"keep_important"}


def test_a_search_finds_the_message_with_the_rarest_words_first() -> None:
    talk = Conversation(OPENAI)
    for text in ("the parcel is late", "the invoice is paid", "the parcel was the blue one"):
        talk.add("user", text)

    assert [found.index for found in talk.search("blue parcel")] == [2, 0]
    assert talk.search("zebra") == []


def test_a_summary_is_within_its_tokens_and_changes_nothing() -> None:
    talk = filled()
    before = talk.messages

    assert 0 < len(talk.summary(40).split()) <= 40
    assert talk.messages == before


def test_optimise_compresses_now_and_says_none_when_there_is_nothing_to_do() -> None:
    talk = Conversation(OPENAI, limit_tokens=1000, preset="light")
    for _ in range(10):
        talk.add("user", LONG * 8)

    done = talk.optimise(0.6)

    assert done is not None
    assert talk.tokens == done.tokens_after <= 600
    assert talk.optimise(0.9) is None


def test_threads_may_add_at_once_and_no_message_is_counted_twice() -> None:
    talk = Conversation(OPENAI, limit_tokens=2000)
    start = threading.Barrier(6)

    def add(name: int) -> None:
        start.wait()
        for number in range(25):
            talk.add("user", f"{name}-{number} {LONG}")

    threads = [threading.Thread(target=add, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    said = [message["content"].split()[0] for message in talk.messages]
    assert len(said) == len({*said})
    assert talk.tokens == count_messages(talk.messages, OPENAI).tokens <= 2000
    dropped = sum(record.messages_dropped for record in talk.history)
    assert len(said) + dropped == 150
