"""What is alike, what stands out, and what usually comes next. Pure.

Nothing here is more than counting, and every answer carries its counts.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from spanledger.history.action import Action
from spanledger.history.chain import by_session
from spanledger.history.kinds import Kind
from spanledger.history.texts import Texts, duration, money

_WORDS = re.compile(r"\w+")
#: From this part of shared words on, two actions are alike.
ALIKE = 0.5
#: A name is rare if it is less than this part of an agent's actions, and there are enough.
_RARE_PART, _ENOUGH = 0.02, 50
#: Median absolute deviations above the median, and times the median: both must be passed.
_FAR_DEVIATIONS, _FAR_TIMES, _ENOUGH_VALUES = 8.0, 3.0, 8
_RELIABLE = 0.95
_LONGEST_MEMORY = 2

Step = tuple[str, str]
"""Kind and name of an action."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Actions that are alike: of one kind, with mostly the same words."""

    actions: tuple[Action, ...]
    """In their order; the first one is what the others were compared with."""
    failed: int

    @property
    def example(self) -> Action:
        return self.actions[0]


@dataclass(frozen=True, slots=True)
class Unusual:
    """An action that stands out, and why, in words."""

    action: Action
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NextAction:
    """What came after the same last steps before, and how often."""

    kind: str
    name: str
    times: int
    of: int
    """So many times something came after these steps."""
    after: tuple[Step, ...]
    """The steps that were looked at: the last two, or the last one where two never occurred."""


def words_of(*texts: str | None) -> frozenset[str]:
    """The words of some texts, in lower case; names_like_this are several words."""
    found = (w for text in texts if text for w in _WORDS.findall(text.replace("_", " ").lower()))
    return frozenset(found)


def action_words(action: Action) -> frozenset[str]:
    """The words by which an action is compared and found."""
    return words_of(
        action.name, action.agent, action.error_type, action.message, action.reason,
        action.command, action.arguments, action.result,
    )  # fmt: skip


# --- alike ---------------------------------------------------------------------------------


def similar(actions: Iterable[Action], *, least: int = 2) -> list[Cluster]:
    """Groups of at least `least` similar actions, the largest first."""
    groups: list[tuple[frozenset[str], Kind, list[Action]]] = []
    for action in sorted(actions, key=lambda action: (action.started_ns, action.span_id)):
        words = words_of(action.name, action.arguments, action.command)
        for example, kind, members in groups:
            if kind == action.kind and _alike(example, words):
                members.append(action)
                break
        else:
            groups.append((words, action.kind, [action]))
    found = [Cluster(tuple(m), sum(a.failed for a in m)) for _, _, m in groups if len(m) >= least]
    return sorted(found, key=lambda cluster: -len(cluster.actions))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= ALIKE * len(one | other)


# --- standing out --------------------------------------------------------------------------


def unusual(actions: Iterable[Action], texts: Texts) -> list[Unusual]:
    """Actions that are rare, slow, dear, or fail where the like succeeds; the newest first."""
    everything = sorted(actions, key=lambda action: -action.started_ns)
    look = _Usual(everything, texts)
    found = [Unusual(action, tuple(look.reasons(action))) for action in everything]
    return [each for each in found if each.reasons]


class _Usual:
    """What is usual among some actions."""

    def __init__(self, actions: Sequence[Action], texts: Texts) -> None:
        self._texts = texts
        self._of_agent = Counter(action.agent for action in actions)
        self._of_name = Counter((a.agent, a.kind, a.name) for a in actions)
        groups: dict[Step, list[Action]] = defaultdict(list)
        for action in actions:
            groups[action.kind, action.name].append(action)
        self._groups: Mapping[Step, list[Action]] = groups
        self._limits: dict[tuple[str, Step], tuple[float, float] | None] = {}

    def reasons(self, action: Action) -> Iterator[str]:
        if action.kind == "session":
            return
        yield from self._rare(action)
        yield from self._failure(action)
        step = action.kind, action.name
        if usual := self._passed("duration", step, action, lambda a: a.duration_s):
            yield self._texts.say(
                "unusual_slow", value=duration(action.duration_s), usual=duration(usual)
            )
        if usual := self._passed("cost", step, action, lambda a: a.cost_nano_usd):
            cost = money(action.cost_nano_usd or 0)
            yield self._texts.say("unusual_dear", value=cost, usual=money(round(usual)))

    def _rare(self, action: Action) -> Iterator[str]:
        total = self._of_agent[action.agent]
        times = self._of_name[action.agent, action.kind, action.name]
        if total >= _ENOUGH and times <= _RARE_PART * total:
            agent = action.agent or self._texts.say("nobody")
            yield self._texts.say(
                "unusual_rare", name=action.name, times=times, total=total, agent=agent
            )

    def _failure(self, action: Action) -> Iterator[str]:
        group = self._groups[action.kind, action.name]
        failed = sum(each.failed for each in group)
        if action.failed and len(group) >= 1 / (1 - _RELIABLE) and failed:
            rate = 1 - failed / len(group)
            if rate >= _RELIABLE:
                percent = f"{rate * 100:.1f}"
                yield self._texts.say(
                    "unusual_failed", name=action.name, percent=percent, total=len(group)
                )

    def _passed(
        self, what: str, step: Step, action: Action, value: Callable[[Action], float | None]
    ) -> float | None:
        """What is usual, if `action` is far above it."""
        if (what, step) not in self._limits:
            found = (value(each) for each in self._groups[step])
            self._limits[what, step] = _far([v for v in found if v is not None])
        limit, own = self._limits[what, step], value(action)
        return limit[0] if limit is not None and own is not None and own > limit[1] else None


def _far(values: Sequence[float]) -> tuple[float, float] | None:
    """What is usual, and from where on a value is far above it; None: there are too few."""
    if len(values) < _ENOUGH_VALUES:
        return None
    usual = median(values)
    deviation = median(abs(value - usual) for value in values)
    return usual, max(usual + _FAR_DEVIATIONS * deviation, usual * _FAR_TIMES)


# --- next ----------------------------------------------------------------------------------


def next_actions(
    history: Iterable[Action], steps: Sequence[Step], *, most: int = 5
) -> list[NextAction]:
    """What most often came after `steps` in the sessions of `history`, with counts."""
    sequences = [
        [(a.kind, a.name) for a in actions if a.kind in {"tool", "call"}]
        for actions in by_session(history).values()
    ]
    return after([tuple(sequence) for sequence in sequences], steps, most=most)


def after(
    sequences: Iterable[Sequence[Step]], steps: Sequence[Step], *, most: int = 5
) -> list[NextAction]:
    """The same over sequences of steps. With as many of the last steps as have a precedent."""
    known = list(sequences)
    for memory in range(min(_LONGEST_MEMORY, len(steps)), 0, -1):
        last = tuple(steps[-memory:])
        counts: Counter[Step] = Counter()
        for sequence in known:
            for start in range(len(sequence) - memory):
                if tuple(sequence[start : start + memory]) == last:
                    counts[sequence[start + memory]] += 1
        if counts:
            total = counts.total()
            ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
            return [NextAction(*step, times, total, last) for step, times in ordered[:most]]
    return []
