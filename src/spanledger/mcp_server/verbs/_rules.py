"""Budgets and rate limits as facts. Pure."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from spanledger.guard import Budget, CounterUse, RateLimit, RuleUse
from spanledger.mcp_server.answers import Answer, page, plain

Use = RuleUse[Budget] | RuleUse[RateLimit]

Amount = Annotated[
    str,
    Field(
        max_length=40,
        description="US dollars for cost (exact, as a text), else a whole number of tokens or "
        "calls.",
    ),
]
ScopeOf = Annotated[
    str,
    Field(
        max_length=200,
        description="Whom it counts: global, session, agent, user, model, provider, tool, or "
        "attribute:NAME.",
    ),
]
Match = Annotated[
    dict[str, str],
    Field(description='Count only calls that fit: {"model": "gpt-*"}. By scope, with wildcards.'),
]
Value = Annotated[
    str, Field(max_length=1000, description="Only the counter of this agent, user, …; empty: all.")
]


def amount(metric: str, number: int | None) -> str | int | None:
    """US dollars as an exact text, or a number of tokens or calls."""
    if number is None or metric != "cost":
        return number
    return str(plain(Decimal(number).scaleb(-9)))


def facts(use: Use, value: str, limit: int, offset: int) -> Answer:
    """A rule with its keys as in the policy file, and a page of its counters."""
    counters = [each for each in use.counters if value in {"", each.value}]
    shown = page([_counter(use.rule, each) for each in counters], limit, offset)
    return {
        **plain(use.definition),
        "source": use.source,
        "counters_total": len(use.counters),
        "counters": shown["rows"],
        "next_offset": shown["next_offset"],
    }


def line(use: Use) -> Answer:
    """A rule in a list: with the counter that is used most."""
    first = use.counters[:1]
    return {
        **plain(use.definition),
        "source": use.source,
        "counters_total": len(use.counters),
        "most_used": _counter(use.rule, first[0]) if first else None,
    }


def _counter(rule: Budget | RateLimit, counter: CounterUse) -> Answer:
    return {
        "value": counter.value,
        "spent": amount(rule.metric, counter.spent),
        "reserved": amount(rule.metric, counter.reserved),
        "limit": amount(rule.metric, counter.limit),
        "remaining": amount(rule.metric, counter.remaining),
        "used_percent": round(counter.used_part * 100, 2),
        "resets_at": _time(counter.resets_at),
        "tripped_at": _time(counter.tripped_at),
    }


def _time(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
