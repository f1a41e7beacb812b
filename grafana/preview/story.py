"""Six weeks of agents at work, for pictures: what happened is known, so one sees whether it shows.

Two hours before the end a release of `shop` breaks the tool `search_orders`. Soon after it the
planner begins to ask it the same again and again, with an ever longer context, until the budget
of the day is used up and the guard refuses.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

DAYS = 36
BUDGETS_USD = {"day": 25.0, "month": 240.0}

_RELEASE_H, _RUNAWAY_H = 2.0, 1.2
_RUNAWAY = "order-desk-5521"


@dataclass(frozen=True, slots=True)
class Model:
    """A model and what a million tokens cost; None: it has no price."""

    provider: str
    name: str
    usd: tuple[float, float, float] | None
    """Of input, of input from the cache, of output."""


SONNET = Model("anthropic", "claude-sonnet-4-5", (3.0, 0.3, 15.0))
GPT = Model("openai", "gpt-4.1", (2.0, 0.5, 8.0))
MINI = Model("openai", "gpt-4.1-mini", (0.4, 0.1, 1.6))
OWN = Model("vllm", "house-model-7b", None)


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent, the model that it asks and the tools that it uses."""

    name: str
    service: str
    model: Model
    tools: tuple[str, ...]
    input_tokens: int
    runs_an_hour: float
    helper: "Agent | None" = None


RESEARCHER = Agent("researcher", "lab", GPT, ("web_search", "fetch_page"), 9_000, 0.0)
PLANNER = Agent("planner", "shop", SONNET, ("search_orders", "read_file"), 9_000, 3.5, RESEARCHER)
SUPPORT = Agent("support", "shop", MINI, ("search_orders", "read_faq"), 4_000, 14.0)
TRIAGE = Agent("triage", "lab", OWN, ("read_file",), 2_000, 1.0)
AGENTS = (PLANNER, SUPPORT, TRIAGE)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed, and what it said."""

    type: str
    message: str
    fingerprint: str


SLOW = Failure("TimeoutError", "web_search took more than 30 s", "5b0c1e77a9d24f10")
LIMITED = Failure(
    "RateLimitError", "429: 30000 input tokens a minute are used up", "c2f4410d7e6b9a35"
)
BROKEN = Failure(
    "KeyError", "'order_id': the answer of the shop has no such field", "91aa3c40be57d208"
)
STOPPED = Failure(
    "BudgetExceeded", "The budget daily is used up: 20 calls asked the same", "e07d5512c8ba3f64"
)


@dataclass(slots=True)
class Span:
    """A run of an agent (`tool` and `model` are empty), a tool call or a model call."""

    at: datetime
    trace: str
    session: str
    user: str
    agent: Agent
    version: str
    parent: "Span | None" = field(default=None, repr=False, compare=False)
    tool: str = ""
    model: Model | None = None
    took_s: float = 1.0
    input: int = 0
    cached: int = 0
    output: int = 0
    failure: Failure | None = None
    below: list["Span"] = field(default_factory=list, repr=False, compare=False)

    @property
    def cost_usd(self) -> float | None:
        """What it cost, with everything below; None where a model has no price."""
        if self.model is None:
            return sum(span.cost_usd or 0.0 for span in self.below)
        if self.model.usd is None:
            return None
        fresh, cached, output = self.model.usd
        tokens_usd = (self.input - self.cached) * fresh + self.cached * cached
        return (tokens_usd + self.output * output) / 1e6


@dataclass(frozen=True, slots=True)
class Said:
    """A decision or an event of the guard."""

    at: datetime
    event: str
    reason: str
    rule: str
    message: str
    agent: Agent
    session: str = ""
    trace: str = ""
    scope: str = ""
    asked_usd: float = 0.0


@dataclass(slots=True)
class Story:
    """All that happened up to `end`."""

    end: datetime
    spans: list[Span]
    said: list[Said]


def nested_trace(story: Story) -> str:
    """The newest trace with a failure in which the planner asked the researcher."""
    helped = {span.trace for span in story.spans if span.agent is RESEARCHER}
    failed = (span for span in story.spans if span.failure and span.trace in helped)
    return max(failed, key=lambda span: span.at).trace


def told(end: datetime, *, days: int = DAYS) -> Story:
    """The story up to `end`, the same for the same `end`."""
    chance = Random(11)  # noqa: S311 - a story, and no secret
    newest = _run(SUPPORT, end - timedelta(seconds=50), end, chance)
    spans, said = [*_usual(end, days, chance), *newest], list(_waits(end, days))
    spent = sum(_calls_since(spans, end.replace(hour=0, minute=0, second=0, microsecond=0)))
    runaway, refused = _runaway(end, BUDGETS_USD["day"] - spent, chance)
    ended = [span for span in spans + runaway if span.at + timedelta(seconds=span.took_s) < end]
    return Story(end, ended, said + refused)


def _calls_since(spans: list[Span], start: datetime) -> Iterator[float]:
    return (span.cost_usd or 0.0 for span in spans if span.model and span.at >= start)


def _usual(end: datetime, days: int, chance: Random) -> Iterator[Span]:
    for hours in range(days * 24, 0, -1):
        begin = end - timedelta(hours=hours)
        by_day, weekend = 7 <= begin.hour < 19, begin.weekday() >= 5
        busy = (
            (1.0 if by_day else 0.25) * (0.5 if weekend else 1.0) * (1.2 - 0.4 * hours / days / 24)
        )
        for agent in AGENTS:
            wanted = agent.runs_an_hour * busy
            for _ in range(int(wanted) + (chance.random() < wanted % 1)):
                at = begin + timedelta(seconds=chance.random() * 3500)
                if at < end - timedelta(minutes=2):
                    yield from _run(agent, at, end, chance)


def _run(agent: Agent, at: datetime, end: datetime, chance: Random) -> Iterator[Span]:
    number = chance.randrange(10_000)
    run = Span(
        at, f"{chance.getrandbits(128):032x}", f"{agent.name}-{at:%m%d}-{number:04}",
        f"user-{number % 23:02}", agent, _version(agent, at, end),
    )  # fmt: skip
    yield from _turns(run, end, chance)


def _version(agent: Agent, at: datetime, end: datetime) -> str:
    new = agent.service == "shop" and at >= end - timedelta(hours=_RELEASE_H)
    return "2.4.0" if new else "2.3.1"


def _turns(run: Span, end: datetime, chance: Random) -> Iterator[Span]:
    """The steps of a run one after the other; afterwards it is known how long the run took."""
    agent, now = run.agent, run.at + timedelta(seconds=0.05)
    for turn in range(chance.choice((2, 2, 3, 3, 4, 5))):
        call = _call(run, now, agent.input_tokens + turn * 900, turn, chance)
        now += timedelta(seconds=call.took_s + 0.02)
        yield call
        if turn == 1 and agent.helper and chance.random() < 0.6:
            helper = Span(now, run.trace, run.session, run.user, agent.helper, "1.8.0", run)
            run.below.append(helper)
            yield from _turns(helper, end, chance)
            now += timedelta(seconds=helper.took_s + 0.02)
        elif chance.random() < 0.7:
            used = _tool(run, now, chance.choice(agent.tools), end, chance)
            now += timedelta(seconds=used.took_s + 0.02)
            yield used
            if used.tool == "fetch_page":
                yield _call(used, used.at, 6_000, 0, chance, MINI)
    run.took_s = (now - run.at).total_seconds()
    yield run


def _call(
    run: Span, at: datetime, tokens: int, turn: int, chance: Random, model: Model | None = None
) -> Span:
    failed = chance.random() < 0.004
    output = 0 if failed else int(chance.lognormvariate(5.6, 0.6))
    tokens = int(tokens * chance.uniform(0.7, 1.3))
    call = Span(
        at, run.trace, run.session, run.user, run.agent, run.version, run,
        model=model or run.agent.model,
        took_s=0.4 + output / 70 + chance.random(), input=0 if failed else tokens,
        cached=0 if failed or turn == 0 else int(tokens * 0.6), output=output,
        failure=LIMITED if failed else None,
    )  # fmt: skip
    run.below.append(call)
    return call


def _tool(run: Span, at: datetime, tool: str, end: datetime, chance: Random) -> Span:
    slow = tool == "web_search" and chance.random() < 0.03
    broken = tool == "search_orders" and _version(run.agent, at, end) == "2.4.0"
    used = Span(
        at, run.trace, run.session, run.user, run.agent, run.version, run, tool,
        took_s=30.0 if slow else chance.lognormvariate(-0.7, 0.8),
        failure=SLOW if slow else BROKEN if broken else None,
    )  # fmt: skip
    run.below.append(used)
    return used


def _waits(end: datetime, days: int) -> Iterator[Said]:
    """What the guard says on usual days, and a provider that was down for an hour yesterday."""
    for hours in range(days * 24, 1, -5):
        at = end - timedelta(hours=hours)
        text = "Waited 4 s: more than 30000 tokens a minute"
        yield Said(at, "waited", "rate_limited", "tokens-a-minute", text, SUPPORT)
    down = end - timedelta(hours=21)
    for minutes, reason in ((0, "tripped"), (10, "open_time_over"), (11, "probes_passed")):
        at = down + timedelta(minutes=minutes)
        text = f"The breaker of openai/gpt-4.1: {reason.replace('_', ' ')}"
        yield Said(at, "breaker", reason, "providers", text, RESEARCHER, scope="openai/gpt-4.1")


def _runaway(end: datetime, left_usd: float, chance: Random) -> tuple[list[Span], list[Said]]:
    """One run of the planner that does not come to its end."""
    now = end - timedelta(hours=_RUNAWAY_H)
    run = Span(now, f"{chance.getrandbits(128):032x}", _RUNAWAY, "user-07", PLANNER, "2.4.0")
    spans, said, tokens = [run], [], 12_000
    while now < end - timedelta(minutes=1):
        call = _call(run, now + timedelta(seconds=0.05), tokens, 1, chance)
        if (call.cost_usd or 0.0) > left_usd:
            run.below.remove(call)
            break
        used = _tool(run, now + timedelta(seconds=call.took_s + 0.1), "search_orders", end, chance)
        spans, left_usd = [*spans, call, used], left_usd - (call.cost_usd or 0.0)
        tokens = min(tokens + 450, 150_000)
        if len(spans) % 80 == 1:
            text = "planner called search_orders 20 times with the same arguments"
            said.append(Said(now, "loop", "loop_seen", "loops", text, PLANNER, _RUNAWAY, run.trace))
        now += timedelta(seconds=call.took_s + used.took_s + 8)
    run.took_s, run.failure = (now - run.at).total_seconds(), STOPPED
    return spans, said + list(_refusals(now, end, run))


def _refusals(now: datetime, end: datetime, run: Span) -> Iterator[Said]:
    limit = BUDGETS_USD["day"]
    text = f"The budget daily (${limit:.2f} a day) is used up"
    yield Said(now, "tripped", "tripped", "daily", text, PLANNER, run.session, run.trace)
    while now < end:
        said = f"{text}. Raise it with `spanledger budget set`, or wait until midnight UTC"
        yield Said(
            now, "refused", "budget_exhausted", "daily", said, PLANNER, run.session, run.trace,
            asked_usd=0.48,
        )  # fmt: skip
        now += timedelta(seconds=15)
