"""A call begins a tenth of a second before midnight and ends after it."""

from datetime import UTC, datetime

from spanledger.guard import Budget, Guard, Policy
from spanledger.testing.clock import TickingClock
from spanledger.testing.providers import MockProvider, RecordedRequest, Reply
from tests.scenarios._shared import DEMO, ask, client, held_by, used

MIDNIGHT_S = datetime(2026, 3, 2, tzinfo=UTC).timestamp()


def test_scenario_08_a_call_over_midnight_belongs_to_the_day_in_which_it_began(
    provider: MockProvider,
) -> None:
    clock = TickingClock(MIDNIGHT_S - 0.1)
    held = Guard(Policy((Budget("day", "tokens", 10_000, "day"),)), clock=clock)

    def answer(_request: RecordedRequest) -> Reply:
        clock.advance(5.1)
        return used(30)

    provider.on(DEMO, answer)
    with held_by(provider, held):
        ask(client(provider))
        days = {key.window_start: counter for key, counter in held.store.counters("day")}
        assert {start: (c.spent, c.reserved) for start, c in days.items()} == {
            int(MIDNIGHT_S) - 86_400: (40, 0)
        }
        ask(client(provider))
        (today,) = (s for s in held.store.counters("day") if s[0].window_start == MIDNIGHT_S)
        assert today[1].spent == 40
