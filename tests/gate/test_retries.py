"""Retries inside the client: every attempt asks, is settled and is recorded for itself."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from spanledger import semconv
from spanledger.guard import BudgetExceeded
from spanledger.testing.providers import Fail, Hang, Malformed, MockProvider, Reply, UsageSpec
from spanledger.testing.spans import SpanDict
from tests.gate._apis import (
    ALL,
    ASYNC_ALL,
    ASYNC_STREAMING,
    CONVERSE,
    STREAMING,
    Api,
    cost_nano_usd,
    error_of,
)
from tests.gate._gate import Gate, gated, limited

every_api = pytest.mark.parametrize("api", [a for a in ALL if a.retries], ids=lambda api: api.name)
every_async_api = pytest.mark.parametrize(
    "api", [a for a in ASYNC_ALL if a.retries], ids=lambda api: api.name
)
async_streaming_apis = pytest.mark.parametrize(
    "api", [a for a in ASYNC_STREAMING if a.retries], ids=lambda api: api.name
)
streaming_apis = pytest.mark.parametrize(
    "api", [a for a in STREAMING if a.retries], ids=lambda api: api.name
)

ANSWER = Reply(text="Yes.", usage=UsageSpec(input_tokens=1000, output_tokens=0))
BROKEN = Fail(status=500, retry_after_s=0.01)
BUSY = Fail(status=429, retry_after_s=0.01)


def attempts_of(records: list[SpanDict]) -> list[tuple[object, object]]:
    """Billing and number of each record, the outer span last."""
    found = [r["attributes"] for r in records]
    numbered = [(a[semconv.BILLING], a.get(semconv.CALL_ATTEMPT, 1)) for a in found]
    return sorted(numbered, key=lambda one: (one[0] != "attempt", one[1]))


def attempts(gate: Gate) -> list[SpanDict]:
    return [r for r in gate.records if r["attributes"][semconv.BILLING] == "attempt"]


def the_call(gate: Gate) -> dict[str, object]:
    (record,) = [r for r in gate.records if r["attributes"][semconv.BILLING] == "call"]
    return record["attributes"]


@every_api
def test_each_attempt_is_a_record_of_its_own(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(BROKEN, BROKEN, ANSWER)
    api.create(api.client(gate.provider, max_retries=2))
    assert attempts_of(gate.records) == [("attempt", 1), ("attempt", 2), ("call", 3)]
    assert len({r["attributes"][semconv.CALL_ID] for r in gate.records}) == 1
    assert [a["attributes"][semconv.ERROR_TYPE] for a in attempts(gate)] == ["500", "500"]
    assert the_call(gate)[semconv.COST_NANO_USD] == cost_nano_usd(api.model, 1000, 0)
    assert gate.spent("calls") == gate.provider.calls() == 3
    gate.assert_settled_once()


@every_async_api
async def test_each_async_attempt_is_a_record_of_its_own(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(BROKEN, BROKEN, ANSWER)
    async with api.open_async(gate.provider, max_retries=2) as client:
        await api.create(client)
    assert attempts_of(gate.records) == [("attempt", 1), ("attempt", 2), ("call", 3)]
    assert gate.spent("calls") == 3
    gate.assert_settled_once()


@pytest.mark.parametrize(
    "api", [a for a in STREAMING if a.retries and a.retries_streams], ids=lambda api: api.name
)
def test_a_stream_that_is_opened_at_the_second_attempt_is_billed_as_such(
    gate: Gate, api: Api
) -> None:
    gate.provider.enqueue(BROKEN, Reply(text="Yes it is.", usage=ANSWER.usage))
    list(api.stream(api.client(gate.provider, max_retries=2)))
    assert attempts_of(gate.records) == [("attempt", 1), ("call", 2)]
    assert the_call(gate)[semconv.STREAM_OUTCOME] == "completed"
    gate.assert_settled_once()


@streaming_apis
def test_a_failed_attempt_may_have_been_worked_on_and_is_charged_its_input(
    gate: Gate, api: Api
) -> None:
    gate.provider.enqueue(BROKEN, ANSWER)
    api.create(api.client(gate.provider, max_retries=1))
    (attempt,) = attempts(gate)
    found = attempt["attributes"]
    assert found[semconv.USAGE_SOURCE] == "estimated"
    assert found[semconv.COST_NANO_USD] > 0  # type: ignore[operator]  # a whole number
    assert found[semconv.ERROR_STATUS_CODE] == 500
    assert attempt["status"] == "error"


@every_api
def test_an_attempt_that_was_turned_away_counts_as_a_call_and_costs_nothing(
    gate: Gate, api: Api
) -> None:
    gate.provider.enqueue(BUSY, ANSWER)
    api.create(api.client(gate.provider, max_retries=1))
    (attempt,) = attempts(gate)
    assert attempt["attributes"][semconv.COST_NANO_USD] == 0
    assert attempt["attributes"][semconv.ERROR_STATUS_CODE] == 429
    assert gate.spent("cost") == the_call(gate)[semconv.COST_NANO_USD]
    assert gate.spent("calls") == 2
    gate.assert_settled_once()


@every_api
def test_a_call_that_fails_for_good_has_its_error_and_its_attempts(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(BROKEN, BROKEN)
    with pytest.raises(error_of(api.library, "InternalServerError")):
        api.create(api.client(gate.provider, max_retries=1))
    assert attempts_of(gate.records) == [("attempt", 1), ("call", 2)]
    assert the_call(gate)[semconv.ERROR_STATUS_CODE] == 500
    gate.assert_settled_once()


@every_api
def test_an_error_that_is_not_retried_costs_nothing(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Fail(status=401))
    with pytest.raises(error_of(api.library, "AuthenticationError")):
        api.create(api.client(gate.provider, max_retries=2))
    assert gate.attributes[semconv.COST_NANO_USD] == 0
    assert gate.attributes[semconv.BILLING] == "call"
    gate.assert_settled_once()


@every_api
def test_a_refusal_between_attempts_stops_at_once(provider: MockProvider, api: Api) -> None:
    provider.enqueue(BROKEN, ANSWER)
    with gated(provider, limited("calls", 1)) as gate:
        with pytest.raises(BudgetExceeded):
            api.create(api.client(provider, max_retries=2))
        assert provider.calls() == 1
        assert attempts_of(gate.records) == [("attempt", 1)]
        outer = [s for s in gate.spans if s not in gate.records]
        assert [s["attributes"][semconv.BILLING] for s in outer] == ["container"]
        assert outer[0]["attributes"][semconv.GUARD_REASON] == "budget_exhausted"
        assert gate.open == 0


@every_async_api
async def test_an_async_refusal_between_attempts_stops_at_once(
    provider: MockProvider, api: Api
) -> None:
    provider.enqueue(BROKEN, ANSWER)
    with gated(provider, limited("calls", 1)) as gate:
        async with api.open_async(provider, max_retries=2) as client:
            with pytest.raises(BudgetExceeded):
                await api.create(client)
        assert provider.calls() == 1
        assert gate.open == 0


@every_api
def test_what_never_left_releases_everything(gate: Gate, api: Api) -> None:
    with socket.socket() as bound:
        # Bound and not listening: the port is refused and nobody else can take it.
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/v1"
        with pytest.raises(error_of(api.library, "APIConnectionError")):
            api.create(api.client(gate.provider, base_url=url))
    assert gate.attributes[semconv.BILLING] == "unsent"
    assert gate.attributes[semconv.COST_NANO_USD] == 0
    assert [gate.spent(metric) for metric in ("calls", "tokens", "cost")] == [0, 0, 0]
    gate.assert_settled_once()


@streaming_apis
def test_a_time_out_after_sending_is_charged_an_estimate(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Hang())
    with pytest.raises(error_of(api.library, "APITimeoutError")):
        api.create(api.client(gate.provider, timeout=0.2))
    assert gate.attributes[semconv.BILLING] == "call"
    assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
    assert gate.attributes[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


@async_streaming_apis
async def test_a_cancellation_before_the_answer_is_charged_an_estimate(
    gate: Gate, api: Api
) -> None:
    gate.provider.enqueue(Hang())
    async with api.open_async(gate.provider) as client:
        task = asyncio.create_task(api.create(client))
        await received(gate.provider)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert gate.attributes[semconv.USAGE_SOURCE] == "estimated"
    assert gate.attributes[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


@every_async_api
async def test_a_cancellation_during_the_back_off_leaves_one_settled_attempt(
    gate: Gate, api: Api
) -> None:
    gate.provider.enqueue(Fail(status=500, retry_after_s=30))
    async with api.open_async(gate.provider, max_retries=2) as client:
        task = asyncio.create_task(api.create(client))
        while not attempts(gate):  # noqa: ASYNC110 - a span, which tells nobody that it ended
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert attempts_of(gate.records) == [("attempt", 1)]
    assert gate.provider.calls() == 1
    gate.assert_settled_once()


async def received(provider: MockProvider) -> None:
    while not provider.calls():  # noqa: ASYNC110 - the server's threads know no event loop
        await asyncio.sleep(0.005)


def error_in(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - its type is the result
        return error
    return None


@streaming_apis
def test_an_answer_that_cannot_be_read_keeps_what_was_reserved(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Malformed())
    error = error_in(lambda: api.create(api.client(gate.provider)))
    # botocore takes whatever comes for an answer.
    expected = {"NoneType"} if api is CONVERSE else {api.library, "google", "json"}
    assert {type(error).__module__.partition(".")[0], type(error).__name__} & expected
    assert gate.open == 0
    assert gate.spent("cost") > 0
    assert gate.attributes[semconv.COST_PROVENANCE] == "unpriced"


@streaming_apis
def test_an_answer_without_usage_is_estimated_from_its_text(gate: Gate, api: Api) -> None:
    gate.provider.enqueue(Reply(text="Yes it is so.", omit_usage=True))
    client = api.client(gate.provider)
    # Mistral's client does not take such an answer.
    error = error_in(lambda: api.create(client))
    assert type(error).__name__ in {"NoneType", "ResponseValidationError"}
    found = gate.attributes
    assert found[semconv.USAGE_SOURCE] == "estimated"
    assert found[semconv.COST_PROVENANCE] == "estimated"
    assert found[semconv.COST_NANO_USD] > 0
    gate.assert_settled_once()


def test_a_model_without_a_price_is_never_free(gate: Gate) -> None:
    api = STREAMING[0]
    gate.provider.enqueue(ANSWER)
    with pytest.raises(Exception, match="price"):
        api.create(api.client(gate.provider), model="nobody-knows-9")
    assert gate.provider.calls() == 0


def test_a_model_without_a_price_counts_its_tokens_where_no_cost_is_limited(
    provider: MockProvider,
) -> None:
    api = STREAMING[0]
    provider.enqueue(ANSWER)
    with gated(provider, limited("tokens", 10**6)) as gate:
        api.create(api.client(provider), model="nobody-knows-9")
        assert gate.attributes[semconv.COST_PROVENANCE] == "unpriced"
        assert semconv.COST_NANO_USD not in gate.attributes
        assert gate.attributes[semconv.USAGE_INPUT_TOKENS] == 1000
