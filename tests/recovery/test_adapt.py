"""Prompts that are changed after a failure: rules as data, each visible, nothing in place."""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger import semconv
from spanledger.recovery import (
    RULES,
    InvalidAnswer,
    InvalidToolArguments,
    PromptRule,
    adapt_prompt,
    adaptive,
)
from spanledger.recovery._messages import drop_oldest, said_to_the_model
from spanledger.recovery.failures import Failure
from spanledger.recovery.prompt_rules import adapted
from spanledger.testing.spans import capture_spans

SYSTEM = {"role": "system", "content": "You are brief."}
ASKED = {"role": "user", "content": "Give me the weather as JSON."}
REQUEST = {"model": "gpt-4o", "messages": [SYSTEM, ASKED], "max_tokens": 400}


def _last(request: Mapping[str, Any]) -> str:
    return str(request["messages"][-1]["content"])


def _adapted(error: BaseException, request: Mapping[str, Any] = REQUEST) -> dict[str, Any]:
    before = copy.deepcopy(request)
    found = adapt_prompt(request, error)
    assert found is not None
    assert request == before, "the request of the caller was changed in place"
    return found.request


def test_broken_json_is_shown_with_the_error_and_the_schema_of_the_request() -> None:
    schema = {"type": "object", "required": ["degrees"]}
    request = {**REQUEST, "response_format": {"json_schema": {"schema": schema}}}
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    text = _last(_adapted(caught.value, request))
    assert text.startswith("Give me the weather as JSON.\n\n")
    assert "Expecting property name" in text
    assert json.dumps(schema) in text


def test_the_schema_that_the_error_brings_wins() -> None:
    text = _last(_adapted(InvalidAnswer("no degrees {x}", schema="degrees: number")))
    assert "no degrees {x}" in text
    assert "schema: degrees: number" in text


def test_refused_arguments_show_the_tool_and_its_complaint() -> None:
    text = _last(_adapted(InvalidToolArguments("search", "limit must be positive")))
    assert "The tool search refused its arguments: limit must be positive" in text


def test_a_timeout_asks_for_less() -> None:
    request = _adapted(TimeoutError())
    assert request["max_tokens"] == 200
    assert "briefly" in _last(request)


def test_a_filter_is_met_with_softer_words() -> None:
    class ContentFilterFinishReasonError(Exception):
        pass

    assert "neutral" in _last(_adapted(ContentFilterFinishReasonError("filtered")))


def _too_long() -> Failure:
    return Failure("context_too_long", "prompt is too long")


def test_a_context_that_is_too_long_loses_its_oldest_turns() -> None:
    turns = [{"role": r, "content": f"{n} " * 50} for n in range(6) for r in ("user", "assistant")]
    request = {"messages": [SYSTEM, *turns, ASKED]}
    found = adapted(request, _too_long())
    assert found is not None
    kept = found.request["messages"]
    assert kept[0] == SYSTEM
    assert kept[-1] == ASKED
    assert kept[1:] == request["messages"][-len(kept) + 1 :]
    assert 0 < len(kept) - 1 <= len(turns) // 2 + 1


def test_shortening_may_be_left_to_somebody_else() -> None:
    def summarise(messages: Sequence[Any], keep: float) -> list[Any]:
        assert keep == 0.5
        return [*messages[:1], {"role": "user", "content": "In short: weather?"}]

    found = adapted(REQUEST, _too_long(), shorten=summarise)
    assert found is not None
    assert _last(found.request) == "In short: weather?"


def test_what_cannot_be_made_shorter_is_not_sent_again() -> None:
    assert adapted(REQUEST, _too_long()) is None


def test_rules_are_data_and_the_first_for_a_kind_holds() -> None:
    mine = PromptRule("mine", "server", say="Think again.")
    failure = Failure("server", "overloaded")
    assert adapted(REQUEST, failure) is None
    found = adapted(REQUEST, failure, (mine, *RULES))
    assert found is not None
    assert found.rule is mine
    with pytest.raises(ValueError, match="keep"):
        PromptRule("wrong", "server", keep=0)


def test_a_plain_input_is_changed_too() -> None:
    found = adapt_prompt({"input": "Say it.", "max_output_tokens": 3}, TimeoutError())
    assert found is not None
    assert found.request["max_output_tokens"] == 1
    assert found.request["input"].startswith("Say it.\n\nAnswer briefly")


@pytest.mark.parametrize("content", ["", "text", [{"type": "text", "text": "a"}], None])
def test_what_is_said_lies_on_the_last_message_of_the_user(content: Any) -> None:
    """Two messages of the user in a row are an error for some providers."""
    (message,) = said_to_the_model([{"role": "user", "content": content}], "more")
    assert "more" in str(message["content"])
    after_tool = said_to_the_model([{"role": "tool", "content": "1"}], "more")
    assert [m["role"] for m in after_tool] == ["tool", "user"]


CALL = st.sampled_from(
    [
        [{"role": "user", "content": "q" * 20}],
        [{"role": "assistant", "content": "a" * 20}],
        [
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "tool_call_id": "1", "content": "r" * 20},
        ],
        [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "2"}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "2"}]},
        ],
    ]
)


@given(st.lists(CALL, min_size=1, max_size=20), st.floats(0.01, 1))
def test_a_shortened_conversation_keeps_calls_with_their_results(
    parts: list[list[dict[str, Any]]], keep: float
) -> None:
    conversation = [m for part in parts for m in part]
    kept = drop_oldest([SYSTEM, {"role": "user", "content": "begin"}, *conversation], keep)
    assert kept[0] == SYSTEM
    assert kept[-1] == conversation[-1]
    assert kept[1]["role"] == "user"
    assert "tool_result" not in str(kept[1]["content"])
    asked = [m for m in kept if "tool_use'" in str(m) or m.get("tool_calls")]
    answered = [m for m in kept if "tool_result" in str(m) or m["role"] == "tool"]
    assert len(asked) == len(answered)


@pytest.fixture
def asked() -> list[dict[str, Any]]:
    return []


def _picky(asked: list[dict[str, Any]]) -> Any:
    def ask(**request: Any) -> str:
        asked.append(request)
        if len(asked) == 1:
            raise InvalidAnswer("no degrees")
        if len(asked) == 2:
            raise TimeoutError
        return "ok"

    return ask


def test_each_adaptation_is_a_span_that_names_its_rule_and_holds_no_prompt(
    asked: list[dict[str, Any]],
) -> None:
    with capture_spans(as_global=True) as capture:
        assert adaptive("weather")(_picky(asked))(**REQUEST) == "ok"
    found = capture.named("adapt weather")
    chosen = [span["attributes"][semconv.RECOVERY_CHOICE] for span in found]
    assert chosen == ["restate_schema", "ask_for_less"]
    assert "weather as JSON" not in json.dumps([span["attributes"] for span in found])
    assert asked[2]["max_tokens"] == 200
    assert "no degrees" in _last(asked[2])


async def test_coroutines_are_asked_again_too(asked: list[dict[str, Any]]) -> None:
    picky = _picky(asked)

    @adaptive()
    async def ask(**request: Any) -> str:
        return str(picky(**request))

    assert await ask(**REQUEST) == "ok"


def test_after_the_last_attempt_the_error_is_raised(asked: list[dict[str, Any]]) -> None:
    with pytest.raises(TimeoutError):
        adaptive(attempts=2)(_picky(asked))(**REQUEST)
    assert len(asked) == 2
    with pytest.raises(ValueError, match="attempts"):
        adaptive(attempts=0)
    with pytest.raises(TypeError, match="neither"):
        adaptive()(_tokens)


def _tokens() -> Iterator[int]:
    yield 1
