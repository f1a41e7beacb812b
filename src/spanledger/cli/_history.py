"""Actions as tables and as facts. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spanledger.cli._format import harmless, show_count, show_duration, show_usd
from spanledger.cli._limits import TIGHT
from spanledger.history import Action, ActionStatistics, Explanation, Related

_STYLES = {"error": "red", "partial": "yellow", "incomplete": "yellow"}
_SHOWN_CHARS = 60


def facts(action: Action) -> dict[str, Any]:
    """An action for programs; unknown is null."""
    return {
        "action_id": action.span_id,
        "trace_id": action.trace_id,
        "kind": action.kind,
        "name": action.name,
        "status": action.status,
        "started_at": action.started_at,
        "duration_s": action.duration_s,
        "agent": action.agent,
        "session": action.session,
        "user": action.user,
        "error_type": action.error_type,
        "message": action.message,
        "reason": action.reason,
        "rule": action.rule,
        "tokens": action.tokens,
        "cost_usd": usd(action.cost_nano_usd),
        "command": action.command,
        "arguments": action.arguments,
        "result": action.result,
    }


def explained(found: Explanation) -> dict[str, Any]:
    """An explanation for programs."""
    return {
        "sentences": found.sentences,
        "action": facts(found.action),
        "command": found.command,
        "further_try": found.again,
        "part_of": [facts(each) for each in found.served],
        "failed_before": [facts(each) for each in found.failed_before],
        "depended_on": [facts(each) for each in found.depended_on],
        "led_to": [facts(each) for each in found.led_to],
    }


def usd(nano_usd: int | None) -> Decimal | None:
    return None if nano_usd is None else Decimal(nano_usd).scaleb(-9)


def table(actions: Sequence[Action]) -> RenderableType:
    """The actions with their ids, the first characters of what they were given."""
    drawn = Table(**TIGHT)  # type: ignore[arg-type]  # keywords of several types
    for name in ("when (UTC)", "id", "action", "status", "took", "cost", "agent", "given"):
        drawn.add_column(name, justify="right" if name in {"took", "cost"} else "left")
    for action in actions:
        drawn.add_row(*_cells(action))
    return drawn


def related_table(found: Sequence[Related]) -> RenderableType:
    """Actions with how well they fit."""
    drawn = Table(**TIGHT)  # type: ignore[arg-type]  # keywords of several types
    for name in ("fits", "when (UTC)", "id", "action", "status", "took", "cost", "agent", "given"):
        drawn.add_column(name, justify="right" if name in {"fits", "took", "cost"} else "left")
    for each in found:
        drawn.add_row(f"{each.score:.0%}", *_cells(each.action))
    return drawn


def statistics_table(found: ActionStatistics) -> RenderableType:
    """How often, how well, how long, at what cost."""
    drawn = Table(**TIGHT)  # type: ignore[arg-type]  # keywords of several types
    drawn.add_column("action")
    for name in ("times", "failed", "p50", "p95", "tokens", "cost"):
        drawn.add_column(name, justify="right")
    for each in found.names:
        drawn.add_row(
            Text(harmless(f"{each.kind} {each.name}")),
            show_count(each.actions),
            show_count(each.failed),
            show_duration(each.p50_s),
            show_duration(each.p95_s),
            show_count(each.tokens),
            "" if each.kind != "call" else show_usd(usd(each.cost_nano_usd)),
        )
    return drawn


def sentences(told: Sequence[str]) -> RenderableType:
    """One a line."""
    return Group(*(Text(harmless(sentence)) for sentence in told))


def _cells(action: Action) -> list[Text | str]:
    why = action.reason or action.error_type
    status = f"{action.status} ({why})" if why else action.status
    given = (action.arguments or action.command or "")[:_SHOWN_CHARS]
    cost = action.cost_nano_usd
    return [
        f"{action.started_at:%m-%d %H:%M:%S}",
        action.span_id,
        Text(harmless(f"{action.kind} {action.name}")),
        Text(harmless(status), style=_STYLES.get(action.status, "")),
        show_duration(action.duration_s),
        "" if cost is None else show_usd(usd(cost)),
        Text(harmless(action.agent)),
        Text(harmless(given)),
    ]
