"""Which command a model call serves: what the user said last, with the real clients."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from spanledger import history, semconv, track
from spanledger.history.ring import current_language
from spanledger.instrumentation._commands import last_said
from spanledger.testing.providers import MockProvider
from tests.gate._gate import gated
from tests.gate.conftest import provider, running_provider

__all__ = ["provider", "running_provider"]

ASKED: list[dict[str, str]] = [
    {"role": "system", "content": "You are a clerk."},
    {"role": "user", "content": "Where is parcel 17?"},
    {"role": "assistant", "content": "Let me look."},
]


def _ask(provider: MockProvider) -> None:
    client = openai.OpenAI(api_key="unused", base_url=f"{provider.url}/v1", max_retries=0)
    messages: Any = ASKED
    client.chat.completions.create(model="gpt-4o-mini", messages=messages)


def test_a_call_serves_what_the_user_said_last_and_so_does_the_tool_after_it(
    provider: MockProvider,
) -> None:
    with gated(provider) as gate:
        with track.session("s"), track.agent("clerk"):
            _ask(provider)
            called = history.last_action()
            track.tool(len)("parcel")
            tool = history.last_action()
        assert called is not None
        assert tool is not None
        assert (called.kind, called.command) == ("call", "Where is parcel 17?")
        assert called.cost_nano_usd is not None
        assert (tool.name, tool.command) == ("len", "Where is parcel 17?")
        assert semconv.COMMAND not in gate.attributes
    assert history.current_ring() is None


def test_the_programs_own_word_goes_before_the_users(provider: MockProvider) -> None:
    with gated(provider), track.operation("answer", command="Answer ticket 4711"):
        _ask(provider)
        last = history.last_action()
    assert last is not None
    assert last.command == "Answer ticket 4711"


def test_with_content_of_actions_the_command_is_on_the_span(provider: MockProvider) -> None:
    with gated(provider, export__content="actions") as gate:
        _ask(provider)
        assert gate.attributes[semconv.COMMAND] == "Where is parcel 17?"


def test_a_ring_of_no_actions_is_none(provider: MockProvider) -> None:
    with gated(provider, history__actions=0):
        _ask(provider)
        assert history.current_ring() is None
        assert history.last_action() is None


def test_the_language_is_a_setting(provider: MockProvider) -> None:
    with gated(provider, history__language="id"):
        _ask(provider)
        assert history.explain_last_action().sentences[0].startswith("Tindakannya")
    assert current_language() == "en"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"messages": ASKED}, "Where is parcel 17?"),
        ({"input": "Where?"}, "Where?"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Here"}]}]},
            "Here",
        ),
        ({"contents": ["one", "two"]}, "two"),
        ({"contents": [{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]}, "a\nb"),
        ({"contents": [SimpleNamespace(role="user", parts=[SimpleNamespace(text="x")])]}, "x"),
        ({"prompt": "Once"}, "Once"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}]},
            "",
        ),
        ({"messages": [{"role": "assistant", "content": "hm"}]}, ""),
        ({"messages": 17}, ""),
        ({}, ""),
    ],
)
def test_what_was_said_last_is_read_in_every_dialect(body: Mapping[str, Any], said: str) -> None:
    assert last_said(body) == said
