"""Several actions in a few sentences. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spanledger.history.action import Action
from spanledger.history.texts import Texts, money

_MOST_KINDS = 3


@dataclass(frozen=True, slots=True)
class Summary:
    """The last actions, and what they come to."""

    actions: tuple[Action, ...]
    """The newest first."""
    sentences: tuple[str, ...]


def summarize(actions: Sequence[Action], texts: Texts) -> Summary:
    """What `actions`, the newest first, come to."""
    return Summary(tuple(actions), tuple(_sentences(actions, texts)))


def _sentences(actions: Sequence[Action], texts: Texts) -> Iterator[str]:
    if not actions:
        yield texts.say("summary_none")
        return
    statuses = Counter(action.status for action in actions).most_common()
    yield texts.say(
        "summary_one" if len(actions) == 1 else "summary_many",
        count=len(actions),
        statuses=", ".join(f"{count} {texts.status(status)}" for status, count in statuses),
        start=f"{min(actions, key=lambda a: a.started_ns).started_at:%Y-%m-%d %H:%M:%S}",
        end=f"{max(actions, key=lambda a: a.started_ns).started_at:%Y-%m-%d %H:%M:%S} UTC",
    )
    command = next((action.command for action in actions if action.command), None)
    if command is not None:
        yield texts.say("summary_command", command=command)
    names = Counter((action.kind, action.name) for action in actions).most_common(_MOST_KINDS)
    often = [f"{texts.say(f'the_{kind}', name=name)} ({count} ×)" for (kind, name), count in names]
    yield texts.say("summary_kinds", names=", ".join(often))
    if failed := [action for action in actions if action.failed]:
        yield texts.say("summary_failed", names=texts.failures(failed))
    yield from _costs([action for action in actions if action.kind == "call"], texts)


def _costs(calls: Sequence[Action], texts: Texts) -> Iterator[str]:
    priced = [call for call in calls if call.cost_nano_usd is not None]
    if priced:
        cost = sum(call.cost_nano_usd or 0 for call in priced)
        tokens = sum(call.tokens or 0 for call in calls)
        yield texts.say("summary_cost", cost=money(cost), tokens=f"{tokens:,}")
    # A refused call was never sent: it has no price because it cost nothing.
    unpriced = sum(not call.reason and call.cost_nano_usd is None for call in calls)
    if unpriced:
        yield texts.say("summary_unpriced", count=unpriced)
