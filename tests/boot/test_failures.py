"""Our own failures: never raised at the host, and never a hole in a limit."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from spanledger.guard import Budget, Call, Estimate, GuardUnavailable, Policy
from spanledger.instrumentation import _hooks, boot, install, uninstall
from spanledger.instrumentation._openai_chat import ChatCompletions
from spanledger.processors import providers
from spanledger.testing.providers import Fail, MockProvider
from spanledger.testing.spans import capture_spans

LIMIT = Policy((Budget("small", "calls", 100),))
_LOOK = Call("look", "openai", "gpt-4o-mini", "chat", Estimate(0, 0, 0, "none"))


class Injected(Exception):
    """A failure of ours."""


def fail(*_args: Any, **_kwargs: Any) -> Any:
    raise Injected


@pytest.fixture(autouse=True)
def own_process() -> Iterator[None]:
    """Whatever a test installs is taken out again."""
    with capture_spans(as_global=True):
        yield
        uninstall()


def started(policy: Policy | None = None) -> boot.Installation | None:
    memory = {"export.mode": "off", "guard.store": "memory"}
    return install(environ={}, overrides=memory, policy=policy)


def call(provider: MockProvider) -> Any:
    import openai

    with openai.OpenAI(base_url=provider.openai_base_url, api_key="none") as client:
        return client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}]
        )


@pytest.mark.parametrize("step", ["_configure", "_start_guard"])
def test_a_failure_before_the_guard_stands_refuses_calls(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(boot, step, fail)
    assert started(LIMIT) is None
    with pytest.raises(GuardUnavailable, match="Spanledger failed to start"):
        call(provider)
    assert provider.calls() == 0


@pytest.mark.parametrize("step", ["_start_telemetry", "_equip", "DecisionCounter"])
def test_a_failure_of_telemetry_leaves_the_limits_standing(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(boot, step, fail)
    assert started(Policy((Budget("small", "calls", 1),))) is not None
    call(provider)
    with pytest.raises(Exception, match="'small' is used up"):
        call(provider)
    assert provider.calls() == 1


@pytest.mark.parametrize("step", ["ensure", "current_provider", "on_new_provider"])
def test_install_never_raises(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(providers, step, fail)
    started()
    monkeypatch.undo()


def test_a_library_that_changed_its_funnel_is_reported_and_left_alone(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import openai

    monkeypatch.delattr(openai._base_client.SyncAPIClient, "_process_response")
    with caplog.at_level(logging.ERROR, "spanledger.boot"):
        started(LIMIT)
    assert _hooks.reports["openai"].state == "failed"
    assert "its calls are NOT limited" in caplog.text
    assert "openai" in caplog.text
    assert not hasattr(openai._base_client.SyncAPIClient.request, "__wrapped__")


def test_a_request_that_cannot_be_examined_is_refused_under_a_policy(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(LIMIT)
    monkeypatch.setattr(ChatCompletions, "read_request", fail)
    with pytest.raises(GuardUnavailable, match="could not be examined"):
        call(provider)
    assert provider.calls() == 0


def test_a_request_that_cannot_be_examined_passes_without_a_policy(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    started()
    monkeypatch.setattr(ChatCompletions, "read_request", fail)
    assert call(provider).choices
    assert provider.calls() == 1


def test_an_answer_that_we_cannot_read_reaches_the_host(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(LIMIT)
    monkeypatch.setattr(ChatCompletions, "read_reply", fail)
    assert call(provider).choices
    assert provider.calls() == 1


def test_a_stream_that_we_cannot_read_reaches_the_host(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openai

    from spanledger.guard import current
    from spanledger.instrumentation._openai_chat import ChatStream

    started(LIMIT)
    monkeypatch.setattr(ChatStream, "chunk", fail)
    with openai.OpenAI(base_url=provider.openai_base_url, api_key="none") as client:
        stream = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "one two"}], stream=True
        )
        text = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    assert text == "echo: one two"
    assert current().store.open_reservations() == 0  # type: ignore[attr-defined]  # in memory


def test_a_span_that_cannot_be_completed_does_not_lose_the_settlement(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spanledger.guard import current
    from spanledger.instrumentation import _spans

    started(LIMIT)
    monkeypatch.setattr(_spans, "reply_attributes", fail)
    assert call(provider).choices
    assert current().store.open_reservations() == 0  # type: ignore[attr-defined]  # in memory


@pytest.mark.parametrize(
    ("room", "step"),
    [
        ("_reckoning", "price"),
        ("_reckoning", "charged_usage"),
        ("_exchange.Exchange", "_settle_attempt"),
        ("_exchange.Exchange", "_record"),
    ],
)
def test_whatever_fails_after_the_answer_the_host_gets_it_and_the_ledger_is_told(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch, room: str, step: str
) -> None:
    from spanledger.guard import current

    started(LIMIT)
    monkeypatch.setattr(f"spanledger.instrumentation.{room}.{step}", fail)
    provider.enqueue(Fail(status=500, retry_after_s=0.01))
    assert call(provider).choices
    assert provider.calls() == 2
    guard = current()
    assert guard.store.open_reservations() == 0  # type: ignore[attr-defined]  # in memory
    assert [state.spent for state in guard.state(_LOOK)] == [2]


@pytest.mark.parametrize("step", ["Exchange._call", "_admission.measure", "_admission._estimate"])
def test_whatever_fails_before_the_request_refuses_it_under_a_policy(
    provider: MockProvider, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    started(Policy((Budget("small", "tokens", 10**6),)))
    place = "_exchange." if step.startswith("Exchange") else ""
    monkeypatch.setattr(f"spanledger.instrumentation.{place}{step}", fail)
    with pytest.raises(GuardUnavailable, match="could not be examined"):
        call(provider)
    with pytest.raises(GuardUnavailable, match="could not be examined"):
        asyncio.run(call_async(provider))
    assert provider.calls() == 0


async def call_async(provider: MockProvider) -> Any:
    import openai

    async with openai.AsyncOpenAI(base_url=provider.openai_base_url, api_key="none") as client:
        return await client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}]
        )
