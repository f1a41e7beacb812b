"""How often, how well, how long, at what cost. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spanledger.history.action import Action
from spanledger.history.kinds import STATUSES, Kind


@dataclass(frozen=True, slots=True)
class NameStatistics:
    """All actions of one kind and name."""

    kind: Kind
    name: str
    actions: int
    failed: int
    p50_s: float
    p95_s: float
    tokens: int
    cost_nano_usd: int | None
    """None: no model call among them has a known price."""

    @property
    def success_rate(self) -> float:
        """0 to 1."""
        return 1 - self.failed / self.actions


@dataclass(frozen=True, slots=True)
class ActionStatistics:
    """What a number of actions come to."""

    actions: int
    sessions: int
    statuses: Mapping[str, int]
    """How many of each of the five."""
    names: tuple[NameStatistics, ...]
    """The most frequent first."""


def statistics(actions: Iterable[Action]) -> ActionStatistics:
    """The statistics of some actions."""
    everything = list(actions)
    groups: dict[tuple[Kind, str], list[Action]] = defaultdict(list)
    for action in everything:
        groups[action.kind, action.name].append(action)
    names = sorted(map(_of_name, groups.values()), key=lambda n: (-n.actions, n.kind, n.name))
    found = [action.status for action in everything]
    return ActionStatistics(
        len(everything),
        len({action.session for action in everything if action.session}),
        {status: found.count(status) for status in STATUSES},
        tuple(names),
    )


def _of_name(actions: Sequence[Action]) -> NameStatistics:
    first = actions[0]
    durations = sorted(action.duration_s for action in actions)
    costs = [a.cost_nano_usd for a in actions if a.cost_nano_usd is not None]
    return NameStatistics(
        kind=first.kind,
        name=first.name,
        actions=len(actions),
        failed=sum(action.failed for action in actions),
        p50_s=quantile(durations, 0.5),
        p95_s=quantile(durations, 0.95),
        tokens=sum(action.tokens or 0 for action in actions),
        cost_nano_usd=sum(costs) if costs else None,
    )


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which `part` of `ordered` lies, between two values in proportion."""
    place = part * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
