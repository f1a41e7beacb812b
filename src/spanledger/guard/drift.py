"""Spending that leaves an agent's own habit: tokens a minute, cost a turn. Pure, and alerts only.

What an agent usually does is an exponentially weighted mean, in floats: a habit, not money.
A minute without calls is no habit of a working agent, so it does not count.
"""

import math
from typing import Literal

from spanledger.lean import dataclass


@dataclass(frozen=True, slots=True)
class DriftRule:
    """When spending is out of the ordinary. Raises `ValueError` for values of no use."""

    name: str
    tokens_per_min: int = 200_000
    """No alert below this many tokens in a minute, whatever is usual."""
    burn_factor: float = 5.0
    """A minute with more than this many times the usual tokens is told."""
    burn_weight: float = 0.1
    """Weight of the newest minute in what is usual."""
    turn_factor: float = 3.0
    """A cost per turn of more than this many times the usual one is told."""
    turn_weight: float = 0.02
    """Weight of the newest turn in what is usual; the current level has ten times this."""
    min_turns: int = 20
    """Turns until the usual cost is known."""
    turn_floor_nano_usd: int = 10_000_000
    """No alert while a turn costs less than this."""

    def __post_init__(self) -> None:
        self._check("burn_factor", self.burn_factor, 1.0, math.inf)
        self._check("turn_factor", self.turn_factor, 1.0, math.inf)
        self._check("burn_weight", self.burn_weight, 0.0, 1.0)
        self._check("turn_weight", self.turn_weight, 0.0, 0.1)
        for name in ("tokens_per_min", "min_turns", "turn_floor_nano_usd"):
            self._check_count(name, getattr(self, name))

    def _check(self, name: str, value: float, above: float, most: float) -> None:
        if not (above < value <= most and value < math.inf):
            span = f"above {above:g}" + (f", at most {most:g}" if most < math.inf else "")
            raise self._unusable(name, value, span)

    def _check_count(self, name: str, value: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._unusable(name, value, "a whole number of at least 0")

    def _unusable(self, name: str, value: object, allowed: str) -> ValueError:
        return ValueError(f"drift rule {self.name!r}: {name} is {value!r}; it must be {allowed}")


@dataclass(frozen=True, slots=True)
class DriftFinding:
    """A value of an agent that is above what its habit allows."""

    rule: str
    kind: Literal["burn_rate", "cost_per_turn"]
    agent: str
    value: float
    """Tokens a minute, or nano-USD a turn."""
    threshold: float
    usual: float

    def sentence(self) -> str:
        """What was found, for a person."""
        unit = "tokens a minute" if self.kind == "burn_rate" else "a turn"
        return (
            f"Drift rule {self.rule!r}: agent {self.agent!r} uses {self._show(self.value)} {unit}, "
            f"usually {self._show(self.usual)}; the alert is at {self._show(self.threshold)}."
        )

    def _show(self, value: float) -> str:
        return f"{value:.0f}" if self.kind == "burn_rate" else f"${value / 1e9:.4f}"


@dataclass(slots=True)
class AgentDrift:
    """The habit of one agent."""

    rule: DriftRule
    agent: str
    _minute: int = -1
    _tokens: int = 0
    _usual_tokens: float = 0.0
    _told_minute: int = -1
    _turns: int = 0
    _turn_level: float = 0.0
    _usual_turn: float = 0.0
    _told_turn: bool = False

    def tokens(self, amount: int, now: float) -> DriftFinding | None:
        """Count tokens (`now` in monotonic seconds); at most one finding a minute."""
        minute = int(now // 60)
        if minute > self._minute:
            self._end_minute()
            self._minute = minute
        self._tokens += amount
        threshold = self._burn_threshold()
        if self._tokens <= threshold or self._told_minute == self._minute:
            return None
        self._told_minute = self._minute
        return self._finding("burn_rate", self._tokens, threshold, self._usual_tokens)

    def turn(self, cost_nano_usd: int) -> DriftFinding | None:
        """Count one turn; one finding when the level leaves the habit, none until it is back."""
        usual, threshold = self._usual_turn, self._turn_threshold()
        self._learn_turn(cost_nano_usd, threshold)
        too_high = self._turns > self.rule.min_turns and self._turn_level > threshold
        news, self._told_turn = too_high and not self._told_turn, too_high
        if not news:
            return None
        return self._finding("cost_per_turn", self._turn_level, threshold, usual)

    def _end_minute(self) -> None:
        if not self._tokens:
            return
        # A runaway minute must not teach that running away is usual: the habit grows slowly.
        most = max(self.rule.tokens_per_min / self.rule.burn_factor, 2 * self._usual_tokens)
        seen = min(float(self._tokens), most)
        weight = self.rule.burn_weight if self._usual_tokens else 1.0
        self._usual_tokens += weight * (seen - self._usual_tokens)
        self._tokens = 0

    def _burn_threshold(self) -> float:
        return max(float(self.rule.tokens_per_min), self.rule.burn_factor * self._usual_tokens)

    def _turn_threshold(self) -> float:
        return max(float(self.rule.turn_floor_nano_usd), self.rule.turn_factor * self._usual_turn)

    def _learn_turn(self, cost_nano_usd: int, threshold: float) -> None:
        self._turns += 1
        # A plain mean at first, so that the first turn does not weigh more than the others.
        weight = max(self.rule.turn_weight, 1.0 / self._turns)
        seen = min(float(cost_nano_usd), threshold) if self._is_known() else float(cost_nano_usd)
        self._usual_turn += weight * (seen - self._usual_turn)
        level = max(self.rule.turn_weight * 10, 1.0 / self._turns)
        self._turn_level += level * (cost_nano_usd - self._turn_level)

    def _is_known(self) -> bool:
        return self._turns > self.rule.min_turns

    def _finding(
        self,
        kind: Literal["burn_rate", "cost_per_turn"],
        value: float,
        threshold: float,
        usual: float,
    ) -> DriftFinding:
        return DriftFinding(self.rule.name, kind, self.agent, value, threshold, usual)
