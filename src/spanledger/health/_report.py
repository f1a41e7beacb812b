"""`report`: the health of this process, with what to do."""

from typing import Any

from spanledger.health._operations import OperationStats, the_operations
from spanledger.health.process import Vitals, vitals
from spanledger.health.scoring import Finding, SignName, State, judge
from spanledger.lean import dataclass

#: Fewer runs say nothing about a share.
_ENOUGH_RUNS = 5


@dataclass(frozen=True, slots=True)
class Report:
    """How a process is, why, and what to do about it."""

    score: float
    """0 to 100."""
    state: State
    findings: tuple[Finding, ...]
    """What lowers the score, the worst first."""
    vitals: Vitals
    operations: tuple[OperationStats, ...]
    """What took the most time first."""

    def as_dict(self) -> dict[str, Any]:
        """In plain values, for JSON."""
        return {
            "score": round(self.score, 1),
            "state": self.state,
            "findings": [finding._asdict() for finding in self.findings],
            "process": self.vitals._asdict(),
            "operations": [stats._asdict() for stats in self.operations],
        }

    def __str__(self) -> str:
        lines = [f"{self.state}, {self.score:.0f} of 100"]
        lines += [f"- {finding.sentence} {finding.advice}" for finding in self.findings]
        lines += [f"  {_line(stats)}" for stats in self.operations]
        return "\n".join(lines)


def _line(stats: OperationStats) -> str:
    typical = "" if stats.median_s is None else f", median {stats.median_s:.3f} s"
    return f"{stats.name}: {stats.runs} runs, {stats.failures} failed{typical}"


def report() -> Report:
    """The health of this process now: score, findings with advice, and how operations went."""
    found, now = the_operations.stats(), vitals()
    judged = judge(_signs(now, found))
    return Report(judged.score, judged.state, judged.findings, now, tuple(found))


def _signs(now: Vitals, operations: list[OperationStats]) -> dict[SignName, float | None]:
    runs = sum(stats.recent for stats in operations)
    failures = sum(stats.recent_failures for stats in operations)
    slow = sum(stats.recent_slow for stats in operations)
    enough = runs >= _ENOUGH_RUNS
    return {
        "memory": now.memory,
        "cpu": now.cpu,
        "files": now.files,
        "failures": failures / runs if enough else None,
        "slow": slow / runs if enough else None,
    }
