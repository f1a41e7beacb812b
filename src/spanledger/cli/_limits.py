"""Rules and their counters as tables and as facts. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spanledger.cli._format import harmless
from spanledger.guard import Budget, CounterUse, RateLimit, RuleUse, show_amount

Use = RuleUse[Budget] | RuleUse[RateLimit]
TIGHT = {"box": box.SIMPLE_HEAD, "pad_edge": False, "padding": (0, 1, 0, 0), "show_edge": False}
_NO_COUNTER = CounterUse("", 0, 0, 0)


def quantity(metric: str, amount: int) -> str:
    """``$0.25``, ``12,345``."""
    return show_amount(metric, amount) if metric == "cost" else f"{amount:,}"


def exact(metric: str, amount: int) -> Decimal | int:
    """US dollars, or a number of tokens or calls."""
    return Decimal(amount).scaleb(-9) if metric == "cost" else amount


def limit_of(rule: Budget | RateLimit) -> str:
    """``$5.00 a day``, ``30 calls a minute``, ``8 calls at once``, ``2,000 tokens in total``."""
    unit = {"cost": "", "tokens": " tokens"}.get(rule.metric, " calls")
    soft = " (soft)" if isinstance(rule, Budget) and rule.enforce == "soft" else ""
    return f"{quantity(rule.metric, rule.limit)}{unit} {_while(rule)}{soft}"


def _while(rule: Budget | RateLimit) -> str:
    time = rule.per if isinstance(rule, RateLimit) else rule.window
    if time is None or time == "total":
        return "at once" if time is None else "in total"
    return f"an {time}" if time == "hour" else f"a {time}"


def chosen(use: Use, value: str | None, top: int | None) -> Sequence[CounterUse]:
    """The counters to show: those of one value, or the ones that are used most."""
    if value is not None:
        return [counter for counter in use.counters if counter.value == value]
    return use.counters[:top]


# --- for programs -----------------------------------------------------------------------------


def facts(use: Use, value: str | None = None, top: int | None = None) -> dict[str, Any]:
    """A rule with its keys as in the policy file, and its counters."""
    return {
        **use.definition,
        "source": use.source,
        "counters_total": len(use.counters),
        "counters": [_counter(use.rule, counter) for counter in chosen(use, value, top)],
    }


def _counter(rule: Budget | RateLimit, counter: CounterUse) -> dict[str, Any]:
    resets_at, tripped_at = counter.resets_at, counter.tripped_at
    return {
        "value": counter.value,
        "spent": exact(rule.metric, counter.spent),
        "reserved": exact(rule.metric, counter.reserved),
        "limit": exact(rule.metric, counter.limit),
        "remaining": exact(rule.metric, counter.remaining),
        "used_percent": round(counter.used_part * 100, 2),
        "resets_at": None if resets_at is None else datetime.fromtimestamp(resets_at, _zone(rule)),
        "tripped_at": tripped_at and datetime.fromtimestamp(tripped_at, _zone(rule)),
    }


def _zone(rule: Budget | RateLimit) -> tzinfo:
    return rule.zone if isinstance(rule, Budget) else UTC


# --- for people -------------------------------------------------------------------------------


def table(
    title: str, uses: Sequence[Use], value: str | None = None, top: int | None = None
) -> RenderableType:
    """One row for each counter; the first one names its rule."""
    drawn = Table(**TIGHT)  # type: ignore[arg-type]  # keywords of several types
    drawn.add_column(title, overflow="fold", min_width=10)
    drawn.add_column("counts for", overflow="fold", min_width=10)
    for name in ("spent", "reserved", "limit", "used"):
        drawn.add_column(name, justify="right", no_wrap=name != "limit")
    drawn.add_column("resets at")
    drawn.add_column("source")
    for use in uses:
        counters = chosen(use, value, top)
        if counters or value is None:
            _add(drawn, use, counters)
    return Group(drawn, *_rests(uses, value, top))


def _add(drawn: Table, use: Use, counters: Sequence[CounterUse]) -> None:
    rule, metric = use.rule, use.rule.metric
    for index, counter in enumerate(counters or [_NO_COUNTER]):
        first = index == 0
        drawn.add_row(
            Text(harmless(rule.name)) if first else "",
            Text(harmless(_whom(rule, counter, bool(counters)))),
            quantity(metric, counter.spent),
            quantity(metric, counter.reserved),
            limit_of(rule) if first else "",
            _part(counter),
            _resets(rule, counter),
            use.source if first else "",
        )


def _whom(rule: Budget | RateLimit, counter: CounterUse, counted: bool) -> str:
    if rule.scope == "global" or not rule.each:
        return rule.scope if rule.scope == "global" else f"all {rule.scope}s together"
    return f"{rule.scope} {counter.value}" if counted else f"each {rule.scope}"


def _part(counter: CounterUse) -> Text:
    part = counter.used_part
    if counter.tripped_at is not None:
        return Text(f"{part:.0%} TRIPPED", style="red")
    style = "red" if part >= 1 else "yellow" if part >= 0.8 else ""
    return Text(f"{part:.0%}", style=style)


def _resets(rule: Budget | RateLimit, counter: CounterUse) -> str:
    if isinstance(rule, RateLimit):
        return "as calls end" if rule.per is None else "slides"
    if counter.resets_at is None:
        return "never" if rule.window == "total" else "–"
    return f"{datetime.fromtimestamp(counter.resets_at, rule.zone):%Y-%m-%d %H:%M %Z}"


def _rests(uses: Sequence[Use], value: str | None, top: int | None) -> list[Text]:
    more = {use.rule.name: len(use.counters) - len(chosen(use, value, top)) for use in uses}
    return [
        Text(f"{harmless(name)}: {number:,} more counters (--all shows them)", style="dim")
        for name, number in more.items()
        if number and value is None
    ]
