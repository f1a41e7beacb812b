"""Hard ceilings of a session: what no false alarm can reach. Pure.

Depth is the number of agents around a call, counted where the call is made; it does not come
from exported spans, which sampling may drop.
"""

from dataclasses import fields
from typing import Literal, NamedTuple

from spanledger.lean import dataclass

CeilingName = Literal["max_depth", "max_steps", "max_calls", "max_tokens", "max_wall_s"]


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What one session may use at the most. None: no ceiling. 0: nothing at all.

    Raises `ValueError` for values of no use.
    """

    name: str = "ceilings"
    max_steps: int | None = None
    """Steps of agents: model calls and tool calls together."""
    max_depth: int | None = None
    """Agents inside agents; a call of the outermost agent has depth 1."""
    max_wall_s: float | None = None
    """Seconds since the session began."""
    max_calls: int | None = None
    """Model calls."""
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for ceiling in fields(self)[1:]:
            _check(self.name, ceiling.name, getattr(self, ceiling.name))


class SessionUse(NamedTuple):
    """What a session has used, or would have used after one more call."""

    steps: int = 0
    depth: int = 0
    wall_s: float = 0.0
    calls: int = 0
    tokens: int = 0

    def plus(
        self, *, steps: int = 0, calls: int = 0, tokens: int = 0, depth: int = 0
    ) -> "SessionUse":
        """The use after what is asked now; `depth` is that of the call itself."""
        return SessionUse(
            self.steps + steps, depth, self.wall_s, self.calls + calls, self.tokens + tokens
        )


@dataclass(frozen=True, slots=True)
class CeilingHit:
    """The ceiling that was reached, the value that reached it, and the limit."""

    rule: str
    ceiling: CeilingName
    value: float
    limit: float

    def sentence(self) -> str:
        """What was reached, for a person."""
        if self.ceiling == "max_wall_s":
            passed = f"{self.limit:g} s, and {self.value:.1f} s have passed."
            return f"Ceiling {self.rule!r}: max_wall_s is {passed}"
        unit = " tokens" if self.ceiling == "max_tokens" else ""
        return (
            f"Ceiling {self.rule!r}: {self.ceiling} is {self.limit}{unit}; "
            f"this call would make it {self.value}{unit}."
        )


#: In this order they are looked at; the first one that is reached is told.
_USED_BY: tuple[tuple[CeilingName, str], ...] = (
    ("max_depth", "depth"),
    ("max_steps", "steps"),
    ("max_calls", "calls"),
    ("max_tokens", "tokens"),
    ("max_wall_s", "wall_s"),
)


def reached(ceilings: Ceilings, after: SessionUse) -> CeilingHit | None:
    """The first ceiling that stands in the way; `after` is the use with what is asked now.

    A ceiling of 20 steps lets the twentieth through. Time can't be asked for: when
    `max_wall_s` seconds are over, nothing more is let through.
    """
    for ceiling, used in _USED_BY:
        limit = getattr(ceilings, ceiling)
        if limit is None:
            continue
        value = getattr(after, used)
        if value > limit or (ceiling == "max_wall_s" and value >= limit):
            return CeilingHit(ceilings.name, ceiling, value, limit)
    return None


def _check(rule: str, name: str, value: float | None) -> None:
    whole = name != "max_wall_s"
    usable = value is None or (
        not isinstance(value, bool)
        and isinstance(value, int if whole else (int, float))
        and 0 <= value < float("inf")
    )
    if not usable:
        what = "a whole number" if whole else "a number"
        raise ValueError(f"ceilings {rule!r}: {name} is {value!r}; it must be {what} of at least 0")
