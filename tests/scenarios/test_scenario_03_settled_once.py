"""Settled twice, then released: only the first counts, whoever calls and wherever it is kept."""

from spanledger.guard import Budget, Guard, Policy, Spending, Store
from spanledger.testing.providers import MockProvider
from tests.gate._gate import gated
from tests.guard._calls import call
from tests.scenarios._shared import DEMO, ask, books, client, used


def test_scenario_03_a_second_settlement_and_a_release_change_nothing(any_store: Store) -> None:
    held = Guard(Policy((Budget("b", "tokens", 100),)), store=any_store)
    reservation = held.admit(call(tokens=60)).granted()
    assert books(any_store) == {("b", ""): (0, 60)}
    assert held.settle(reservation, Spending(tokens=40, cost_nano_usd=0))
    assert not held.settle(reservation, Spending(tokens=50, cost_nano_usd=0))
    assert not held.release(reservation)
    assert books(any_store) == {("b", ""): (40, 0)}


def test_scenario_03_a_stream_that_ends_and_is_closed_and_collected_is_charged_once(
    provider: MockProvider,
) -> None:
    provider.on(DEMO, used(5))
    with gated(provider, Policy((Budget("b", "tokens", 10_000),))):
        stream = ask(client(provider), stream=True)
        assert list(stream)
        stream.close()
        stream.close()
        del stream
        assert books() == {("b", ""): (15, 0)}
