"""A history that is known by heart: four weeks of a busy agent and of a quiet one."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from spanledger import semconv
from spanledger.warehouse import Warehouse
from tests.warehouse._rows import Span, insert_log, insert_spans
from tests.warehouse.test_rollups import build

DAYS = 28
#: Calls of the planner on a weekday, and on Saturday and Sunday.
WEEKDAY, WEEKEND = 24, 8
_CALL_NANO_USD = 2_000_000
#: Of the six calls of one hour.
DEAR_NANO_USD = 20_000_000
_ids = count(1)


def _span(at: datetime, **more: str) -> Span:
    number = next(_ids)
    attributes = {getattr(semconv, name): value for name, value in more.items()}
    return Span(span_id=f"{number:016x}", trace_id=f"{number:032x}", at=at, attributes=attributes)


def call_span(at: datetime, nano_usd: int = _CALL_NANO_USD, /, **more: str) -> Span:
    """A call of the planner to gpt-x; 1,000 tokens in (400 cached), 100 out, two seconds."""
    told = {
        "OPERATION_NAME": "chat",
        "PROVIDER_NAME": "openai",
        "REQUEST_MODEL": "gpt-x",
        "RESPONSE_MODEL": "gpt-x-2026",
        "AGENT_NAME": "planner",
        "CONVERSATION_ID": f"s-{at:%m%d}",
        "USER_ID": f"u-{at.day % 3}",
        "USAGE_INPUT_TOKENS": "1000",
        "USAGE_OUTPUT_TOKENS": "100",
        "USAGE_CACHE_READ_TOKENS": "400",
        "COST_NANO_USD": str(nano_usd),
        "COST_PROVENANCE": "computed",
        "USAGE_SOURCE": "provider",
        "BILLING": "call",
    }
    span = _span(at, **{**told, **more})
    return replace(span, service="shop", duration_ns=2_000_000_000)


@dataclass(frozen=True)
class History:
    """The warehouse, and the first and last day of the planner."""

    warehouse: Warehouse
    first: datetime
    today: datetime

    def days(self) -> list[datetime]:
        return [self.first + timedelta(days=day) for day in range((self.today - self.first).days)]

    @property
    def dear_day(self) -> datetime:
        """Between eight and nine its calls cost ten times as much."""
        return self.today - timedelta(days=4)

    @property
    def planned(self) -> int:
        """Calls of the planner."""
        return sum(calls_of(day) for day in self.days())

    @property
    def planned_usd(self) -> Decimal:
        """Their cost."""
        nano_usd = self.planned * _CALL_NANO_USD + 6 * (DEAR_NANO_USD - _CALL_NANO_USD)
        return Decimal(nano_usd) / 10**9


def calls_of(day: datetime) -> int:
    return WEEKEND if day.weekday() >= 5 else WEEKDAY


def fill(warehouse: Warehouse, days: int = DAYS) -> History:
    """The last days, rolled up, and today empty."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    history = History(warehouse, today - timedelta(days=days), today)
    insert_spans(
        warehouse,
        [span for day in history.days() for span in _day(day, dear_day=day == history.dear_day)],
    )
    insert_spans(warehouse, list(_writer(today - timedelta(days=2))))
    for number in range(3):
        insert_log(warehouse, _refusal(number), at=today - timedelta(days=1), trace_id="")
    build(warehouse)
    return history


def _day(day: datetime, *, dear_day: bool) -> list[Span]:
    """Calls of the planner from eight o'clock on, six an hour, with a tool and the session."""
    spans = [
        call_span(day + timedelta(hours=8 + number // 6, minutes=number % 6), *dear)
        for number in range(calls_of(day))
        for dear in [[DEAR_NANO_USD] if dear_day and number < 6 else []]
    ]
    at = day + timedelta(hours=8)
    session = f"s-{day:%m%d}"
    run = {"AGENT_NAME": "planner", "CONVERSATION_ID": session}
    failed = day.weekday() == 0
    tool = _span(at, OPERATION_NAME="execute_tool", TOOL_NAME="search", **run)
    agent = _span(at, OPERATION_NAME="invoke_agent", **run)
    # Sessions of Tuesdays tell themselves that they are incomplete.
    told = {"SESSION_STATUS": "incomplete"} if day.weekday() == 1 else {}
    end = _span(at, CONVERSATION_ID=session, **told)
    return [*spans, tool, replace(agent, status="Error" if failed else "Unset"), end]


def _writer(day: datetime) -> list[Span]:
    """One dear call without a price, and one that failed twice before it went through."""
    at = day + timedelta(hours=10)
    who = {"AGENT_NAME": "writer", "CONVERSATION_ID": "w-1", "REQUEST_MODEL": "claude-y",
           "RESPONSE_MODEL": "", "PROVIDER_NAME": "anthropic"}  # fmt: skip
    attempt = call_span(at, 500, **who, BILLING="attempt", ERROR_TYPE="RateLimitError")
    unpriced = {"COST_PROVENANCE": "unpriced", "COST_NANO_USD": ""}
    return [
        replace(attempt, status="Error"),
        replace(
            call_span(at, **who, **unpriced | {"BILLING": "attempt", "ERROR_TYPE": "Timeout"}),
            status="Error",
        ),
        call_span(at, 9_000_000, **who),
        call_span(at, **who, **unpriced),
    ]


def _refusal(number: int) -> dict[str, str]:
    return {
        semconv.GUARD_DECISION_ID: f"refusal-{number}",
        semconv.GUARD_DECISION: "refused",
        semconv.GUARD_REASON: "stream_exhausted" if number == 2 else "budget_exhausted",
        semconv.GUARD_RULE: "daily",
        semconv.GUARD_METRIC: "cost",
        semconv.GUARD_ASKED: "5000000",
        semconv.AGENT_NAME: "planner",
        semconv.CONVERSATION_ID: "s-x",
        semconv.REQUEST_MODEL: "gpt-x",
    }
