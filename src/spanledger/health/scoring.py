"""How well a process is: signs, and one number made of them. Pure.

Each sign has a value where it is still good, one where it is bad, and a weight. Between the two
values its strain goes from 0 to 1, in a straight line. The score is

    100 × (1 - weight × strain) × (1 - weight × strain) × …

over all signs that are known. 80 and more is healthy, below 50 unhealthy, between them strained.
A sign that nobody can tell takes nothing away.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

State = Literal["healthy", "strained", "unhealthy"]
SignName = Literal["memory", "cpu", "files", "failures", "slow"]

_HEALTHY, _UNHEALTHY = 80.0, 50.0


class Sign(NamedTuple):
    """One thing that is looked at; its value is a share, 0 to 1."""

    name: SignName
    what: str
    good: float
    """Up to here there is no strain …"""
    bad: float
    """… and from here on it is 1."""
    weight: float
    """The part of the score that it takes away when it is bad."""
    advice: str


SIGNS: tuple[Sign, ...] = (
    Sign(
        "memory",
        "of the memory that the process may use",
        0.70,
        0.95,
        0.6,
        "Keep less: bounded caches, shorter conversations; trim_memory() gives back what is free.",
    ),
    Sign(
        "cpu",
        "of the processors that the process may use",
        0.80,
        1.00,
        0.3,
        "Run fewer jobs at once (WorkerPool, TaskPool); operation_timer(profile=True) shows where "
        "the time goes.",
    ),
    Sign(
        "files",
        "of the open files that the process may have",
        0.70,
        0.95,
        0.6,
        "Share HTTP clients instead of making one per call, and close them; or raise `ulimit -n`.",
    ),
    Sign(
        "failures",
        "of the last operations failed",
        0.05,
        0.50,
        0.6,
        "See which operation fails below; retry what passes (spanledger.recovery.retry), and hold "
        "back what does not (breaker).",
    ),
    Sign(
        "slow",
        "of the last operations were slow",
        0.10,
        0.60,
        0.3,
        "See which operation is slow below; give it a time-out and a fallback, or fewer at once.",
    ),
)


class Finding(NamedTuple):
    """A sign that is strained, and what to do about it."""

    sign: SignName
    value: float
    strain: float
    """0 to 1; 1 is bad."""
    sentence: str
    advice: str


class Judgement(NamedTuple):
    """The score, what it means, and what lowers it, the worst first."""

    score: float
    state: State
    findings: tuple[Finding, ...]


def judge(values: Mapping[SignName, float | None], signs: Sequence[Sign] = SIGNS) -> Judgement:
    """The score of what is known; None, or no value at all, is not known."""
    score, findings = 100.0, []
    for sign in signs:
        value = values.get(sign.name)
        if value is None or math.isnan(value):
            continue
        if found := strain(sign, value):
            score *= 1 - sign.weight * found
            findings.append((sign.weight * found, _finding(sign, value, found)))
    findings.sort(key=lambda pair: -pair[0])
    return Judgement(score, state_of(score), tuple(finding for _, finding in findings))


def strain(sign: Sign, value: float) -> float:
    """0 where it is good, 1 where it is bad, and between them in a straight line."""
    return min(1.0, max(0.0, (value - sign.good) / (sign.bad - sign.good)))


def state_of(score: float) -> State:
    """What a score means."""
    if score >= _HEALTHY:
        return "healthy"
    return "unhealthy" if score < _UNHEALTHY else "strained"


def _finding(sign: Sign, value: float, found: float) -> Finding:
    sentence = f"{value:.0%} {sign.what}; good is at most {sign.good:.0%}."
    return Finding(sign.name, value, found, sentence, sign.advice)
