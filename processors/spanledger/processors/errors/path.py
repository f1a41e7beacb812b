"""The operations that led to a failure: from the root down to it, with what each did before."""

from collections.abc import Iterator
from typing import Any

from spanledger.processors.nodes import Node
from spanledger.track.plain import Redact, cut_text

_NAME_CHARS = 120
_MOST_LEVELS = 20
#: Of the levels next to the failure every step that is known is told, of those above a few.
_NEAR_LEVELS, _STEPS_FAR = 2, 3


def path_to(node: Node, now_ns: int, redact: Redact) -> list[dict[str, Any]]:
    """Entries from the failure (first) back to the root (last).

    Each has a name, a kind, a status (`failed` of the failure itself, `open` of what is around
    it, `ok` or `error` of what had ended), a duration in seconds and its depth below the root.
    """
    levels = list(_levels(node))
    entries: list[dict[str, Any]] = []
    for distance, level in enumerate(levels):
        depth = len(levels) - 1 - distance
        steps = list(level.steps or ())
        for step in reversed(steps if distance < _NEAR_LEVELS else steps[-_STEPS_FAR:]):
            status = "error" if step.failed else "ok"
            lasted_ns = step.ended_ns - step.started_ns
            entries.append(_entry(step.name, step.label, status, lasted_ns, depth + 1, redact))
        status = "failed" if distance == 0 else "open"
        lasted_ns = now_ns - level.started_ns
        entries.append(_entry(level.name, level.label, status, lasted_ns, depth, redact))
    return entries


def _levels(node: Node) -> Iterator[Node]:
    level: Node | None = node
    for _ in range(_MOST_LEVELS):
        if level is None:
            return
        yield level
        level = level.parent


def _entry(
    name: str, label: str, status: str, lasted_ns: int, depth: int, redact: Redact
) -> dict[str, Any]:
    return {
        "depth": depth,
        "name": cut_text(name, redact, _NAME_CHARS),
        "kind": label,
        "status": status,
        "duration_s": round(max(0, lasted_ns) / 1e9, 4),
    }
