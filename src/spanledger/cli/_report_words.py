"""The sentences of a report, the same in every form. Pure."""

from collections.abc import Iterator

from spanledger.cli._forecast import show_amount
from spanledger.cli._format import counted, show_about, show_duration
from spanledger.cli._report_facts import ReportFacts
from spanledger.cli._tables import percent
from spanledger.cli.usage.cache import sentence as cache_sentence
from spanledger.cli.usage.refused import sentence as refused_sentence
from spanledger.cli.usage.sessions import sentence as sessions_sentence


def period_of(facts: ReportFacts) -> str:
    """From when to when."""
    until = f"{facts.at:%d %B %Y, %H:%M} UTC"
    return f"up to {until}" if facts.since is None else f"{facts.since:%d %B %Y} to {until}"


def headline(facts: ReportFacts) -> str:
    """The report in one sentence."""
    total = facts.total
    text = (
        f"{show_about(total.cost_usd)} for {counted(total.calls, 'call')} in "
        f"{counted(total.sessions, 'session')}"
    )
    if facts.agents and facts.agents[0].cost_usd and total.cost_usd:
        first = facts.agents[0]
        share = float((first.cost_usd or 0) / total.cost_usd)
        who = first.name or "calls without an agent"
        text += f"; {percent(share)} of it for {who}"
    return text + "."


def notes(facts: ReportFacts) -> Iterator[str]:
    """What there is to know, besides: one sentence each."""
    total = facts.total
    if total.failed_calls:
        share = percent(total.failed_calls / total.calls)
        yield f"{counted(total.failed_calls, 'call')} failed ({share})."
    if total.unpriced_calls:
        calls = counted(total.unpriced_calls, "call")
        yield f"{calls} have no known price: they cost something, and are not in the amounts."
    if total.estimated_calls:
        yield f"The cost of {counted(total.estimated_calls, 'call')} is an estimate."
    if facts.outcomes.sessions:
        yield sessions_sentence(facts.outcomes)
    if any(saving.use.cache_read_tokens for saving in facts.caches):
        yield cache_sentence(facts.caches)
    if facts.retries:
        attempts = counted(sum(row.attempts for row in facts.retries), "failed attempt")
        waited = show_duration(sum(row.waited_s for row in facts.retries))
        yield f"{attempts} had to be made again; they took {waited}."
    if facts.refused:
        yield f"Budgets at work: {refused_sentence(facts.refused)}"


def outlook(facts: ReportFacts) -> str:
    """What is to come; empty if nothing is known."""
    points = facts.forecast.points
    if not points:
        return ""
    total = show_amount("cost", facts.forecast.expected_total)
    text = f"About {total} are expected in the next {len(points)} days"
    if len(facts.forecast.history) < 14:
        text += " (learnt from less than two weeks: weekdays are not known yet)"
    return text + "."
