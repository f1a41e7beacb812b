"""When a breaker opens and how it recovers, and what it protects. Pure."""

import math
from typing import Literal, NamedTuple

from spanledger.lean import dataclass


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """When a breaker opens, and how it recovers. Raises `ValueError` for values of no use."""

    name: str
    failure_rate: float = 0.5
    """Opens when this part of the calls in the window failed; above 0, at most 1."""
    slow_rate: float = 0.8
    """Opens when this part of the calls in the window was slow; above 0, at most 1."""
    slow_s: float = 30.0
    """A call without a first token for this long is slow."""
    window_s: int = 60
    """Length of the sliding window, in whole seconds."""
    min_calls: int = 10
    """With fewer calls in the window it does not open."""
    open_s: float = 30.0
    """How long it stays open the first time; doubles with each failed recovery …"""
    max_open_s: float = 300.0
    """… up to this."""
    permits: int = 3
    """Calls let through to see whether the other side has recovered; all must succeed."""
    permit_lease_s: float = 600.0
    """Such a call counts as failed if nothing is heard of it for this long."""
    max_throttle_s: float = 3600.0
    """Longest time that a Retry-After is believed."""

    def __post_init__(self) -> None:
        _check_share(self, "failure_rate", self.failure_rate)
        _check_share(self, "slow_rate", self.slow_rate)
        for name in ("window_s", "min_calls", "permits"):
            _check_count(self, name, getattr(self, name))
        for name in ("slow_s", "open_s", "permit_lease_s", "max_throttle_s"):
            _check_seconds(self, name, getattr(self, name))
        if not self.open_s <= self.max_open_s < math.inf:
            raise _unusable(self, "max_open_s", self.max_open_s, f"at least open_s ({self.open_s})")

    def open_time_s(self, trips: int) -> float:
        """Seconds to stay open after so many trips in a row without a recovery."""
        return min(self.max_open_s, self.open_s * 2.0 ** min(trips - 1, 64))

    def verdict(self, first_token_s: float | None) -> Literal["ok", "slow"]:
        """The outcome of a call that went well, from the seconds until its first token."""
        return "ok" if first_token_s is None or first_token_s < self.slow_s else "slow"


class Target(NamedTuple):
    """What a breaker protects against: one model of a provider in a region, or a tool."""

    kind: Literal["model", "tool"]
    provider: str
    model: str
    region: str = ""

    @property
    def name(self) -> str:
        """``openai/gpt-4o``, ``openai/gpt-4o@eu`` or ``tool:search``."""
        if self.kind == "tool":
            return f"tool:{self.model}"
        place = f"@{self.region}" if self.region else ""
        return f"{self.provider}/{self.model}{place}"


def model_target(provider: str, model: str, region: str = "") -> Target:
    """The target of calls to a model."""
    return Target("model", provider, model, region)


def tool_target(tool: str) -> Target:
    """The target of calls to a tool."""
    return Target("tool", "", tool)


def _check_share(rule: BreakerRule, name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise _unusable(rule, name, value, "above 0 and at most 1")


def _check_count(rule: BreakerRule, name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _unusable(rule, name, value, "a whole number of at least 1")


def _check_seconds(rule: BreakerRule, name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise _unusable(rule, name, value, "a number of seconds above 0")


def _unusable(rule: BreakerRule, name: str, value: object, allowed: str) -> ValueError:
    return ValueError(f"breaker {rule.name!r}: {name} is {value!r}; it must be {allowed}")
