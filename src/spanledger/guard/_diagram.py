"""State diagrams for the documentation, drawn from the tables that the code runs on."""

from collections.abc import Mapping
from typing import TypeVar

from spanledger.guard.breaker import INITIAL, TRANSITIONS
from spanledger.guard.breaker_rule import BreakerRule

S = TypeVar("S", bound=str)
E = TypeVar("E", bound=str)

_HEAD = """# States of the guard

This page is printed from the tables in the code and held to them by a test.

## Circuit breaker

One breaker for each rule and target: a model of a provider (`openai/gpt-4o`, with a region
`openai/gpt-4o@eu`) or a tool (`tool:search`). Breakers live in the process; what an operator
forced is shared.

"""

_EVENTS: Mapping[str, str] = {
    "tripped": (
        "the window holds enough calls ({min_calls}), and of these {failure_rate:.0%} failed or "
        "{slow_rate:.0%} were slow (no first token in {slow_s:g} s)"
    ),
    "open_time_over": "the open time has passed ({open_s:g} s, doubling up to {max_open_s:g} s)",
    "probes_passed": "all {permits} calls that were let through went well",
    "probe_failed": "one of these calls failed or was slow",
    "probe_lost": "nothing was heard of them for {permit_lease_s:g} s",
    "force_open": "an operator holds it open",
    "force_closed": "an operator takes it out of use: everything passes",
    "reset": "an operator hands it back to its rule",
}

_TAIL = """
Failures are 5xx answers, failed and timed-out connections and reads, and streams that break off
or can't be read. Other 4xx answers, content filters, our own refusals and cancelled calls are
not. A 429 is not either: with `Retry-After` the target is *throttled* until then, whatever the
state; calls are refused with the time that is left.
"""


def mermaid(table: Mapping[S, Mapping[E, S]], initial: S) -> str:
    """A Mermaid state diagram of a table ``{state: {event: next state}}``.

    Events with the same way share an arrow.
    """
    lines = ["stateDiagram-v2", f"    [*] --> {initial}"]
    for state, row in table.items():
        ways: dict[S, list[E]] = {}
        for event, after in row.items():
            ways.setdefault(after, []).append(event)
        lines += [f"    {state} --> {after}: {', '.join(events)}" for after, events in ways.items()]
    return "\n".join(lines) + "\n"


def states_page() -> str:
    """The page ``docs/guard-states.md``."""
    return f"{_HEAD}```mermaid\n{mermaid(TRANSITIONS, INITIAL)}```\n\n{_events_table()}{_TAIL}"


def _events_table() -> str:
    rule = BreakerRule("default")
    values = {name: getattr(rule, name) for name in rule.__dataclass_fields__}
    rows = [f"| `{event}` | {text.format(**values)} |" for event, text in _EVENTS.items()]
    return "\n".join(["| event | when (defaults) |", "|---|---|", *rows, ""])
