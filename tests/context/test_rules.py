"""Whatever a strategy leaves is valid by the provider's rules and never above the limit."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from spanledger.context import (
    Compression,
    ContextTooSmall,
    compress,
    count_messages,
    extractive_summary,
    keep_important,
    sliding_window,
    summarize,
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

Strategy = Callable[..., Compression]

patient = settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])


def summarized(talk: Talk, limit_tokens: int, **options: Any) -> Compression:
    return summarize(talk, limit_tokens, extractive_summary, chunk_tokens=200, **options)


STRATEGIES = pytest.mark.parametrize("strategy", [sliding_window, keep_important, summarized])


def unless_too_small(run: Callable[[], Compression], limit_tokens: int = 0) -> Compression:
    """What it gives; a refusal must be true, and ends the example."""
    try:
        return run()
    except ContextTooSmall as refusal:
        if refusal.needed_tokens <= limit_tokens:
            raise
        reject()


def applied(strategy: Strategy, talk: Talk, share: float, **options: Any) -> Compression:
    """The strategy at a limit that is a share of the whole. Nothing given is changed."""
    before = deepcopy(talk)
    whole = count_messages(talk, options["model"], system=options.get("system")).tokens
    limit = int(whole * share)
    done = unless_too_small(lambda: strategy(talk, limit, **options), limit)
    assert talk == before
    sent = count_messages(done.messages, options["model"], system=options.get("system"))
    assert sent.tokens == done.tokens_after <= limit
    assert sorted([*done.kept, *done.dropped]) == list(range(len(talk)))
    return done


@STRATEGIES
@patient
@given(data=st.data(), share=st.floats(0.2, 1.2), keep_last=st.integers(0, 4))
def test_openai_takes_what_is_left_with_its_system_prompt_and_last_messages(
    strategy: Strategy, data: st.DataObject, share: float, keep_last: int
) -> None:
    talk = data.draw(openai_talks())
    pinned = data.draw(st.sets(st.integers(0, max(0, len(talk) - 1)), max_size=2))
    options = {"model": OPENAI, "dialect": "openai", "keep_last": keep_last, "pinned": pinned}
    done = applied(strategy, talk, share, **options)

    messages = [*done.messages]
    assert refused_by_openai(messages) == []
    system = [message for message in talk if message["role"] == "system"]
    assert [message for message in messages if message["role"] == "system"] == system
    lonely = {i for i in done.dropped if i in pinned or i >= len(talk) - keep_last}
    assert all(_has_no_partner(talk, i) for i in lonely)


def _has_no_partner(talk: Talk, index: int) -> bool:
    """Only what no provider takes may go although it must stay: it was refused before."""
    message = talk[index]
    return bool(message.get("tool_calls")) or message["role"] == "tool"


@STRATEGIES
@patient
@given(data=st.data(), share=st.floats(0.2, 1.2), keep_last=st.integers(0, 4))
def test_anthropics_turns_alternate_and_results_stand_right_behind_their_calls(
    strategy: Strategy, data: st.DataObject, share: float, keep_last: int
) -> None:
    talk = data.draw(anthropic_talks())
    options = {"model": CLAUDE, "dialect": "anthropic", "keep_last": keep_last, "system": "Be."}
    done = applied(strategy, talk, share, **options)

    assert refused_by_anthropic(done.messages) == []


@STRATEGIES
@pytest.mark.parametrize(
    ("talks", "model"),
    [(openai_talks, OPENAI), (anthropic_talks, CLAUDE)],
    ids=["openai", "claude"],
)
@patient
@given(data=st.data())
def test_a_valid_conversation_that_fits_stays_as_it_is(
    strategy: Strategy, talks: Callable[..., st.SearchStrategy[Talk]], model: str,
    data: st.DataObject,
) -> None:  # fmt: skip
    talk = data.draw(talks(broken=False))
    limit = count_messages(talk, model).tokens

    done = strategy(talk, limit, model=model)

    assert [*done.messages] == talk
    assert not done.changed
    assert done.summary is None


@patient
@given(talk=openai_talks(), ratio=st.floats(0.1, 1.0))
def test_compressing_to_a_ratio_leaves_at_most_that_share(talk: Talk, ratio: float) -> None:
    done = unless_too_small(lambda: compress(talk, ratio, model=OPENAI))
    assert done.tokens_after <= ratio * done.tokens_before
    assert refused_by_openai([*done.messages]) == []


@patient
@given(talk=openai_talks(broken=False), share=st.floats(0.2, 1.0))
def test_a_second_window_of_the_same_size_changes_nothing(talk: Talk, share: float) -> None:
    once = applied(sliding_window, talk, share, model=OPENAI)

    again = sliding_window(once.messages, once.limit_tokens, model=OPENAI)

    assert again.messages == once.messages
