"""Loops of an agent: the same calls with the same results, over and over. Pure.

Theory. A step is a tool, its arguments and its result, each as a hash. A *cycle* of period n is
a run in which every step equals the one n steps before; an agent that repeats one call has
period 1, one that swings between two has period 2. Work and memory are O(longest period) for
each step, whatever the length of the run.

Two kinds of sameness, because results carry numbers:

exact  Results are equal but for timestamps, UUIDs and hexadecimal ids, which every answer of a
       server has. A cycle of these warns, and blocks where the rule says so.
near   Results differ in their numbers ("37 %", then "38 %"), or the calls come slowly. That may
       be a job that is being waited for: it warns, late, and never blocks.

A call of a tool that is declared as polling, a result that can't be compared (an object without
content of its own, more than 1 MB) and a pause end an exact cycle.
"""

from collections.abc import Sequence
from dataclasses import field
from typing import Literal, NamedTuple

from spanledger.guard.fingerprints import Fingerprint, ResultPrint
from spanledger.lean import dataclass

Action = Literal["warn", "block"]


@dataclass(frozen=True, slots=True)
class LoopRule:
    """When repetition is a loop. Raises `ValueError` for values of no use."""

    name: str
    action: Action = "warn"
    """What happens at `block_at`: one more warning, or the next such call is refused."""
    warn_at: int = 5
    """Repetitions of a cycle that warn."""
    block_at: int = 10
    """Repetitions of a cycle after which the call that would go on with it is refused."""
    max_period: int = 4
    """The longest cycle that is looked for, in calls."""
    polling: frozenset[str] = frozenset()
    """Tools that are meant to be asked again and again."""
    min_interval_s: float | None = 5.0
    """A cycle with a pause of this length in it is waiting, not looping. None: pauses don't count.
    """

    def __post_init__(self) -> None:
        if self.action not in ("warn", "block"):
            raise _unusable(self, "action", self.action, "warn or block")
        _check_count(self, "warn_at", self.warn_at, 2)
        _check_count(self, "block_at", self.block_at, self.warn_at)
        _check_count(self, "max_period", self.max_period, 1)
        if self.min_interval_s is not None and not self.min_interval_s > 0:
            raise _unusable(self, "min_interval_s", self.min_interval_s, "above 0, or none")


@dataclass(frozen=True, slots=True)
class LoopFinding:
    """A cycle of `period` calls that came `count` times in a row."""

    rule: str
    kind: Literal["cycle", "near_cycle"]
    period: int
    count: int
    action: Action
    tools: tuple[str, ...]
    """The tools of one cycle, in their order."""

    def sentence(self) -> str:
        """What was found, for a person."""
        what = "the same results" if self.kind == "cycle" else "nearly the same results"
        return (
            f"Loop rule {self.rule!r}: {' → '.join(self.tools)} came {self.count} times in a row "
            f"with the same arguments and {what}."
        )


class Step(NamedTuple):
    """One finished call, reduced to what is compared."""

    tool: str
    call: bytes
    result: bytes


@dataclass(slots=True)
class Repetitions:
    """How often the newest steps came in a row, for each period up to the longest."""

    max_period: int
    # A tuple: an empty `deque` takes more room than all that a session needs.
    _last: tuple[Step, ...] = ()
    _runs: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._last = ()
        self._runs = [0] * self.max_period

    def add(self, step: Step) -> None:
        """Take the next step."""
        for period in range(1, len(self._last) + 1):
            same = self._last[-period] == step
            self._runs[period - 1] = self._runs[period - 1] + 1 if same else 0
        self._last = (*self._last, step)[-self.max_period :]

    def found(self) -> tuple[int, int]:
        """Period and count of the cycle that the newest steps make; (1, 0) before the first."""
        if not self._last:
            return 1, 0
        repeated = [p for p in range(1, self.max_period + 1) if self._runs[p - 1] >= p]
        # The period that explains the longest run; of those the shortest: AAAA is A four times.
        period = max(repeated, key=lambda p: (self._runs[p - 1] + p, -p), default=1)
        return period, 1 + self._runs[period - 1] // period

    def cycle(self, period: int) -> tuple[Step, ...]:
        """The newest `period` steps, oldest first: the first one is what a cycle goes on with."""
        return self._last[-period:]


@dataclass(slots=True)
class _Alarm:
    """Says when a growing count is worth a word: at the first threshold, the next, each doubling.

    A loop that nobody stops is told a few times, not a thousand times.
    """

    thresholds: Sequence[int]
    due: int = field(init=False)

    def __post_init__(self) -> None:
        self.due = self.thresholds[0]

    def rings(self, count: int) -> bool:
        if count < self.thresholds[0]:
            self.due = self.thresholds[0]
        if count < self.due:
            return False
        later = [threshold for threshold in self.thresholds if threshold > count]
        self.due = later[0] if later else count * 2
        return True


@dataclass(slots=True)
class SessionLoops:
    """The cycles of one session under one rule."""

    rule: LoopRule
    _exact: Repetitions = field(init=False)
    _near: Repetitions = field(init=False)
    _exact_alarm: _Alarm = field(init=False)
    _near_alarm: _Alarm = field(init=False)
    _last_at: float | None = None

    def __post_init__(self) -> None:
        self._exact = Repetitions(self.rule.max_period)
        self._near = Repetitions(self.rule.max_period)
        self._exact_alarm = _Alarm((self.rule.warn_at, self.rule.block_at))
        self._near_alarm = _Alarm((self.rule.block_at,))

    def observe(self, call: Fingerprint, result: ResultPrint, at: float) -> LoopFinding | None:
        """Take a finished call (`at` in monotonic seconds); what is to be said about it, if so."""
        paused, self._last_at = self._paused(at), at
        if call.tool in self.rule.polling:
            self._exact.clear()
            return None
        self._near.add(Step(call.tool, call.digest, result.near))
        if paused:
            self._exact.clear()
        if call.comparable and result.exact is not None:
            self._exact.add(Step(call.tool, call.digest, result.exact))
        else:
            self._exact.clear()
        return self._judge()

    def blocked(self, call: Fingerprint) -> LoopFinding | None:
        """Whether this call must not be made: it would go on with a cycle that is at its end.

        Any other call may pass, and its result ends the cycle.
        """
        if self.rule.action != "block":
            return None
        period, count = self._exact.found()
        if count < self.rule.block_at or not call.comparable:
            return None
        cycle = self._exact.cycle(period)
        return (
            self._finding("cycle", period, count, cycle) if cycle[0].call == call.digest else None
        )

    def _paused(self, at: float) -> bool:
        pause = self.rule.min_interval_s
        return pause is not None and self._last_at is not None and at - self._last_at >= pause

    def _judge(self) -> LoopFinding | None:
        near_period, near_count = self._near.found()
        near_rings = self._near_alarm.rings(near_count)
        period, count = self._exact.found()
        if self._exact_alarm.rings(count):
            return self._finding("cycle", period, count, self._exact.cycle(period))
        if near_rings and count < self.rule.block_at:
            steps = self._near.cycle(near_period)
            return self._finding("near_cycle", near_period, near_count, steps)
        return None

    def _finding(
        self, kind: Literal["cycle", "near_cycle"], period: int, count: int, steps: Sequence[Step]
    ) -> LoopFinding:
        blocks = kind == "cycle" and count >= self.rule.block_at
        action = self.rule.action if blocks else "warn"
        tools = tuple(step.tool for step in steps)
        return LoopFinding(self.rule.name, kind, period, count, action, tools)


def _check_count(rule: LoopRule, name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _unusable(rule, name, value, f"a whole number of at least {least}")


def _unusable(rule: LoopRule, name: str, value: object, allowed: str) -> ValueError:
    return ValueError(f"loop rule {rule.name!r}: {name} is {value!r}; it must be {allowed}")
