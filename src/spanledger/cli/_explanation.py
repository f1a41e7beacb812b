"""Why a call would be refused, as a table and as facts. Pure."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spanledger.cli._format import harmless
from spanledger.cli._limits import TIGHT, exact, quantity
from spanledger.guard import Explanation, Refusal, RuleVerdict

_ELSEWHERE = (
    "? Breakers, loop rules and ceilings are kept in the memory of each agent's process; from "
    "here only what is forced can be seen."
)


def facts(found: Explanation) -> dict[str, Any]:
    """The answer, and what each rule says."""
    call = found.call
    return {
        "allowed": found.allowed,
        "reason": found.reason,
        "sentence": None if found.refusal is None else found.refusal.sentence(),
        "rule": None if found.refusal is None else found.refusal.rule or None,
        "retry_after_s": None if found.refusal is None else found.refusal.retry_after_s,
        "waits_s": found.waits_s,
        "call": {
            "provider": call.provider,
            "model": call.model,
            "operation": call.operation,
            "tool": call.tool,
            "session": call.session,
            "agents": call.agents,
            "user": call.user,
            "attributes": dict(call.attributes),
            "input_tokens": call.estimate.input_tokens,
            "output_tokens": call.estimate.output_tokens,
            "cost": _exact("cost", call.estimate.cost_nano_usd),
        },
        "rules": [_verdict(verdict) for verdict in found.rules],
    }


def _verdict(verdict: RuleVerdict) -> dict[str, Any]:
    refusal = verdict.refusal
    return {
        "rule": verdict.rule,
        "kind": verdict.kind,
        "scope": verdict.scope,
        "metric": verdict.metric or None,
        "window": verdict.window or None,
        "limit": _exact(verdict.metric, verdict.limit),
        "spent": _exact(verdict.metric, verdict.spent),
        "reserved": _exact(verdict.metric, verdict.reserved),
        "asked": _exact(verdict.metric, verdict.asked),
        "fits": verdict.fits if verdict.known else None,
        "reason": None if refusal is None else refusal.reason,
        "retry_after_s": None if refusal is None else refusal.retry_after_s,
        "advice": None if refusal is None else refusal.advice,
    }


def _exact(metric: str, amount: int | None) -> Any:
    return None if amount is None else exact(metric, amount)


def drawn(found: Explanation) -> RenderableType:
    """The answer in a sentence, and a row for each rule."""
    parts: list[RenderableType] = [_answer(found)]
    if found.rules:
        parts += ["", _table(found.rules)]
    else:
        parts.append("No rule concerns it.")
    others = [v.refusal for v in found.rules if v.refusal not in {None, found.refusal}]
    parts += [Text(f"also: {harmless(r.sentence())}") for r in others if r is not None]
    if not all(verdict.known for verdict in found.rules):
        parts.append(Text(_ELSEWHERE, style="dim"))
    return Group(*parts)


def _answer(found: Explanation) -> Text:
    if found.refusal is None:
        return Text("This call would pass now.", style="green")
    waits = f" It would first wait up to {found.waits_s:g} s." if found.waits_s else ""
    text = Text(f"This call would be refused now ({found.reason}). ", style="red")
    text.append(harmless(found.refusal.sentence()) + waits, style="not red")
    return text


def _table(verdicts: Sequence[RuleVerdict]) -> Table:
    table = Table(**TIGHT)  # type: ignore[arg-type]  # keywords of several types
    table.add_column("rule", overflow="fold", min_width=10)
    table.add_column("kind")
    table.add_column("counts for", overflow="fold", min_width=10)
    for name in ("limit", "spent", "reserved", "asked"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("fits")
    table.add_column("frees up in", justify="right")
    for verdict in verdicts:
        table.add_row(*_row(verdict))
    return table


def _row(verdict: RuleVerdict) -> list[str | Text]:
    amounts = (verdict.limit, verdict.spent, verdict.reserved, verdict.asked)
    shown = ["–" if amount is None else quantity(verdict.metric, amount) for amount in amounts]
    fits = Text("yes", style="green") if verdict.fits else Text("NO", style="red")
    whom = Text(harmless(verdict.scope))
    known = fits if verdict.known else Text("?")
    return [harmless(verdict.rule), verdict.kind, whom, *shown, known, _frees(verdict.refusal)]


def _frees(refusal: Refusal | None) -> str:
    return "" if refusal is None else refusal.frees_up_in() or "–"
