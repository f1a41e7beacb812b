"""`docs/guard-states.md` is printed from the breaker's table."""

from spanledger.guard._diagram import mermaid, states_page
from spanledger.guard.breaker import TRANSITIONS
from tests.config._pages import hold_current


def test_the_page_of_states_is_current() -> None:
    hold_current("guard-states.md", states_page())


def test_every_way_of_the_table_is_an_arrow() -> None:
    lines = mermaid(TRANSITIONS, "closed").splitlines()
    for state, row in TRANSITIONS.items():
        for event, after in row.items():
            arrows = [line for line in lines if line.startswith(f"    {state} --> {after}: ")]
            assert len(arrows) == 1
            assert event in arrows[0].split(": ")[1].split(", ")


def test_every_event_is_explained() -> None:
    for event in {event for row in TRANSITIONS.values() for event in row}:
        assert f"| `{event}` |" in states_page()
