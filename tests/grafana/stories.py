"""Seeded stories of one day, for alerts and pictures: what happened is known, to the minute.

Every story is the same days of work by three agents and the same day after it, up to where
something happens. Rows are those that our exporter, the guard's metrics and a Collector write.
"""

import hashlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, product
from random import Random
from typing import Literal

from spanledger import semconv
from spanledger.warehouse import Warehouse

#: Midnight of the day that stories tell of, a Tuesday; three days of history lie before it.
DAY = datetime(2026, 3, 10, tzinfo=UTC)
#: The stories end here.
END = DAY + timedelta(hours=18)

_HISTORY_DAYS = 3
_MINUTE = timedelta(minutes=1)


def at(clock: str) -> datetime:
    """A time of the day, as ``14:05``."""
    hour, minute = clock.split(":")
    return DAY + timedelta(hours=int(hour), minutes=int(minute))


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget of all agents together."""

    rule: str
    window: Literal["day", "week"]
    usd: float

    def bounds(self, now: datetime) -> tuple[datetime, datetime]:
        """Beginning and end of the window at a time."""
        begin = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if self.window == "day":
            return begin, begin + timedelta(days=1)
        begin -= timedelta(days=begin.weekday())
        return begin, begin + timedelta(days=7)


DAILY, WEEKLY = Limit("daily", "day", 70.0), Limit("weekly", "week", 320.0)


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent and how it works by day; at night it does a tenth of that."""

    name: str
    service: str
    provider: str
    model: str
    calls_an_hour: int
    cost_usd: float
    tool: str


AGENTS = (
    Agent("planner", "shop", "openai", "gpt-4.1", 60, 0.02, "search_orders"),
    Agent("support", "shop", "openai", "gpt-4.1-mini", 60, 0.02, "read_file"),
    Agent("researcher", "lab", "anthropic", "claude-sonnet-4-5", 120, 0.01, "web_search"),
)
PLANNER, SUPPORT, RESEARCHER = AGENTS


@dataclass(frozen=True, slots=True)
class Step:
    """One model call, or one tool call (`tool`), of an agent."""

    at: datetime
    agent: Agent
    session: str
    cost_usd: float | None
    error: str = ""
    tool: str = ""
    model: str = ""
    delay_s: float = 3.0
    """How long after its end it was received."""


@dataclass(frozen=True, slots=True)
class Said:
    """One record of the guard."""

    at: datetime
    event: str
    reason: str
    rule: str = ""
    scope: str = ""
    agent: Agent | None = None


@dataclass(slots=True)
class Story:
    """What happened, in the order of time. What is after `until` was never received."""

    steps: list[Step] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    day: datetime = DAY
    until: datetime = END
    dropped: Callable[[datetime], int] = field(default=lambda _at: 3)
    """What the exporter of `shop` has dropped since its start, by the time."""

    def moved(self, days: int) -> "Story":
        """The same some days later, so that several fit into one database."""
        by = timedelta(days=days)
        steps = [replace(s, at=s.at + by, session=f"{s.session}+{days}") for s in self.steps]
        said = [replace(said, at=said.at + by) for said in self.said]
        dropped = self.dropped
        return Story(steps, said, self.day + by, self.until + by, lambda now: dropped(now - by))

    def spent_usd(self) -> Callable[[datetime, datetime], float]:
        """What was spent from one time to another."""
        spent = sorted((step.at, step.cost_usd or 0.0) for step in self.steps)
        times = [when for when, _ in spent]
        sums = [0.0, *accumulate(cost for _, cost in spent)]
        return lambda begin, end: sums[bisect_left(times, end)] - sums[bisect_left(times, begin)]


# --- the stories ----------------------------------------------------------------------------


def calm_day() -> Story:
    """Three agents at work, with the failures and waits of every day."""
    story = Story(steps=list(_usual()))
    for hour in range(18):
        said = Said(DAY + timedelta(hours=hour, minutes=7), "refused", "rate_limited", "per-minute")
        story.said += [
            replace(said, agent=PLANNER),
            replace(said, event="waited", reason="allowed"),
        ]
    return story


def runaway() -> Story:
    """At 14:00 the planner begins to ask the same again and again; at $70 the guard stops it."""
    story = calm_day()
    spent = story.spent_usd()(DAY, at("14:00"))
    story.steps = [step for step in story.steps if step.at < at("14:00")]
    now = at("14:00")
    while spent + 0.05 < DAILY.usd:
        story.steps.append(Step(now, PLANNER, "runaway", 0.05))
        story.steps.append(Step(now, PLANNER, "runaway", None, tool=PLANNER.tool))
        spent, now = spent + 0.05, now + timedelta(seconds=2)
    loops = range(2, 24, 3)
    story.said += [Said(at(f"14:{m:02}"), "loop", "loop_seen", agent=PLANNER) for m in loops]
    while now < END:
        story.said.append(Said(now, "refused", "budget_exhausted", "daily", "global", PLANNER))
        now += timedelta(seconds=10)
    return story


def provider_outage() -> Story:
    """At 10:00 anthropic begins to fail; its breaker opens at 10:02 and holds until 11:00."""
    story, begin, end = calm_day(), at("10:00"), at("11:00")
    story.steps = [
        step for step in story.steps if not (_of(step, RESEARCHER) and begin <= step.at < end)
    ]
    for second in range(0, 120, 3):
        moment = begin + timedelta(seconds=second)
        story.steps.append(Step(moment, RESEARCHER, "outage", 0.0, error="InternalServerError"))
    target = f"{RESEARCHER.provider}/{RESEARCHER.model}"
    story.said.append(Said(at("10:02"), "breaker", "tripped", "fragile", target))
    for minute in range(3, 60):
        probe = begin + timedelta(minutes=minute)
        last = minute == 59
        story.steps.append(
            Step(probe, RESEARCHER, "outage", 0.0, error="" if last else "InternalServerError")
        )
        story.said += [
            Said(probe, "breaker", "open_time_over", "fragile", target),
            Said(
                probe + timedelta(seconds=5),
                "breaker",
                "probes_passed" if last else "probe_failed",
                "fragile",
                target,
            ),
        ]
    held_back = (begin + timedelta(seconds=s) for s in range(130, 3540, 20))
    story.said += [
        Said(t, "refused", "circuit_open", "fragile", target, RESEARCHER) for t in held_back
    ]
    return story


def silent_collector() -> Story:
    """At 11:00 the Collector falls silent, and all that would have come through it."""
    story = calm_day()
    story.until = at("11:00")
    return story


def rough_day() -> Story:
    """Small troubles: sessions get dear, a tool fails, a price is missing, spans come late."""
    story = calm_day()
    story.steps = list(map(_roughened, story.steps))
    story.dropped = lambda now: 3 + 40 * (now >= at("17:05"))
    return story


def _roughened(step: Step) -> Step:
    if _of(step, SUPPORT) and step.tool and step.at >= at("12:00"):
        return replace(step, error="TimeoutError")
    if _of(step, RESEARCHER) and not step.tool and step.at >= at("15:00"):
        return replace(step, model="claude-next", cost_usd=None, delay_s=900)
    if _of(step, PLANNER) and not step.tool and step.at >= at("09:00"):
        return replace(step, cost_usd=(step.cost_usd or 0.0) * 2.5)
    return step


STORIES: dict[str, Callable[[], Story]] = {
    story.__name__: story
    for story in (calm_day, runaway, provider_outage, silent_collector, rough_day)
}


def _of(step: Step, agent: Agent) -> bool:
    return step.agent is agent


# --- usual days -----------------------------------------------------------------------------


def _usual() -> Iterator[Step]:
    chance = Random(7)
    hours = (_HISTORY_DAYS + 1) * 24
    start = DAY - timedelta(days=_HISTORY_DAYS)
    for number in range(hours):
        hour = start + timedelta(hours=number)
        if hour >= END:
            return
        for agent in AGENTS:
            yield from _hour(agent, hour, chance)


def _hour(agent: Agent, hour: datetime, chance: Random) -> Iterator[Step]:
    by_day = 8 <= hour.hour < 18
    calls = agent.calls_an_hour if by_day else agent.calls_an_hour // 10
    for number in range(calls):
        moment = hour + timedelta(seconds=3600 * number / calls + chance.random() * 20)
        session = f"{agent.name}-{hour:%d%H}-{number // 3}"
        cost = agent.cost_usd * (0.7 + 0.6 * chance.random())
        error = "RateLimitError" if chance.random() < 0.02 else ""
        yield Step(moment, agent, session, 0.0 if error else cost, error)
        if number % 2 == 0:
            failed = "TimeoutError" if chance.random() < 0.03 else ""
            yield Step(moment + timedelta(seconds=8), agent, session, None, failed, agent.tool)


# --- telling it -----------------------------------------------------------------------------

_SPANS = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "SpanKind", "ServiceName",
    "ResourceAttributes", "SpanAttributes", "Duration", "StatusCode",
)  # fmt: skip
_LOGS = ("Timestamp", "ServiceName", "Body", "LogAttributes", "EventName")
GAUGES = (
    "ServiceName", "MetricName", "Attributes", "ResourceAttributes", "StartTimeUnix", "TimeUnix",
    "Value",
)  # fmt: skip
_SUMS = (*GAUGES, "AggregationTemporality", "IsMonotonic")
_ARRIVALS = ("minute", "service", "spans", "max_delay_s", "last_at")
_CUMULATIVE = 2
_DURATION_S = 1.5


def tell(warehouse: Warehouse, story: Story) -> None:
    """Write a story into a migrated database, as the user who owns it."""
    steps = [step for step in story.steps if step.at < story.until]
    said = [said for said in story.said if said.at < story.until]
    warehouse.insert("otel_traces", list(_SPANS), [_span(*each) for each in enumerate(steps)])
    warehouse.insert("otel_logs", list(_LOGS), [_log(*each) for each in enumerate(said)])
    warehouse.insert("otel_metrics_gauge", list(GAUGES), list(_budget_points(story)))
    warehouse.insert("otel_metrics_sum", list(_SUMS), list(_counters(story)))
    warehouse.insert("arrival_minutes", list(_ARRIVALS), list(_arrivals(steps)))


def _arrivals(steps: Iterable[Step]) -> Iterator[Sequence[object]]:
    """What came in by the minute: not now, as the view on spans has it, but when the story says."""
    minutes: dict[tuple[datetime, str], list[tuple[datetime, float]]] = defaultdict(list)
    for step in steps:
        came = step.at + timedelta(seconds=_DURATION_S + step.delay_s)
        minute = came.replace(second=0, microsecond=0)
        minutes[minute, step.agent.service].append((came, step.delay_s))
    for (minute, service), found in minutes.items():
        last, delay_s = max(found)[0], max(delay_s for _, delay_s in found)
        yield minute, service, len(found), round(delay_s), last


def _span(number: int, step: Step) -> Sequence[object]:
    identity = hashlib.sha256(f"{number} {step.session}".encode()).hexdigest()
    return (
        step.at,
        hashlib.sha256(step.session.encode()).hexdigest()[:32],
        identity[:16],
        "",
        f"execute_tool {step.tool}" if step.tool else f"chat {step.agent.model}",
        "Client",
        step.agent.service,
        {semconv.SERVICE_NAME: step.agent.service},
        _attributes(number, step),
        round(_DURATION_S * 1e9),
        "Error" if step.error else "Unset",
    )


def _attributes(number: int, step: Step) -> dict[str, str]:
    found = {
        semconv.AGENT_NAME: step.agent.name,
        semconv.CONVERSATION_ID: step.session,
        semconv.USER_ID: f"user-{number % 50}",
    }
    if step.error:
        found[semconv.ERROR_TYPE] = step.error
    return found | (_tool(step) if step.tool else _call(step))


def _tool(step: Step) -> dict[str, str]:
    return {
        semconv.OPERATION_NAME: semconv.TOOL_OPERATION,
        semconv.TOOL_NAME: step.tool,
        semconv.TOOL_ARGUMENTS_HASH: hashlib.sha256(step.session.encode()).hexdigest()[:32],
    }


def _call(step: Step) -> dict[str, str]:
    model = step.model or step.agent.model
    attributes = {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: step.agent.provider,
        semconv.REQUEST_MODEL: model,
        semconv.RESPONSE_MODEL: model,
        semconv.BILLING: "call",
        semconv.USAGE_INPUT_TOKENS: "1200",
        semconv.USAGE_OUTPUT_TOKENS: "300",
        semconv.COST_PROVENANCE: "unpriced" if step.cost_usd is None else "computed",
    }
    if step.cost_usd is not None:
        attributes[semconv.COST_NANO_USD] = str(round(step.cost_usd * 1e9))
    return attributes


def _log(number: int, said: Said) -> Sequence[object]:
    attributes = {
        semconv.GUARD_DECISION_ID: hashlib.sha256(f"{number} {said.at}".encode()).hexdigest()[:32],
        semconv.GUARD_EVENT_KIND: said.event,
        semconv.GUARD_DECISION: "refused" if said.event == "refused" else "allowed",
        semconv.GUARD_REASON: said.reason,
        semconv.GUARD_RULE: said.rule,
        semconv.GUARD_SCOPE: said.scope,
    }
    service = "lab"
    if said.agent is not None:
        service = said.agent.service
        attributes |= {
            semconv.AGENT_NAME: said.agent.name,
            semconv.PROVIDER_NAME: said.agent.provider,
            semconv.REQUEST_MODEL: said.agent.model,
        }
    text = f"{said.event} by {said.rule or 'no rule'}: {said.reason}"
    return said.at, service, text, attributes, semconv.GUARD_EVENT_NAME


def _minutes(story: Story) -> Iterable[datetime]:
    now = story.day - timedelta(hours=12)
    while now < story.until:
        yield now
        now += _MINUTE


def _budget_points(story: Story) -> Iterator[Sequence[object]]:
    """The gauges of both budgets, once a minute."""
    spent = story.spent_usd()
    for now, limit in product(_minutes(story), (DAILY, WEEKLY)):
        begin, end = limit.bounds(now)
        attributes = {
            semconv.GUARD_RULE: limit.rule,
            semconv.GUARD_SCOPE: "global",
            semconv.GUARD_METRIC: "cost",
            semconv.GUARD_WINDOW: limit.window,
        }
        for name, value in (
            (semconv.METRIC_BUDGET_LIMIT, limit.usd),
            (semconv.METRIC_BUDGET_SPENT, spent(begin, now)),
            (semconv.METRIC_BUDGET_RESERVED, 0.0),
            (semconv.METRIC_BUDGET_RESETS_IN, (end - now).total_seconds()),
        ):
            yield "shop", name, attributes, {semconv.SERVICE_NAME: "shop"}, now, now, value


def _counters(story: Story) -> Iterator[Sequence[object]]:
    """The exporter's books and the Collector's own counters, once a minute."""
    begin = story.day - timedelta(days=1)
    for now in _minutes(story):
        minutes = (now - begin) / _MINUTE
        for service, name, attributes, value in (
            ("shop", semconv.METRIC_EXPORT_ACCEPTED, {}, 10 * minutes),
            ("shop", semconv.METRIC_EXPORT_DELIVERED, {}, 10 * minutes),
            ("shop", semconv.METRIC_EXPORT_DROPPED, {"reason": "queue_full"}, story.dropped(now)),
            ("otelcol", "otelcol_exporter_sent_spans", {"exporter": "clickhouse"}, 9 * minutes),
            ("otelcol", "otelcol_exporter_send_failed_spans", {"exporter": "clickhouse"}, 5),
        ):
            resource = {semconv.SERVICE_NAME: service}
            yield service, name, attributes, resource, begin, now, value, _CUMULATIVE, True
