"""A story as the rows that exporter, guard and Collector write."""

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from grafana.preview.story import BUDGETS_USD, Model, Said, Span, Story

from spanledger import semconv
from spanledger.warehouse import Warehouse

_SPANS = (
    "Timestamp", "TraceId", "SpanId", "ParentSpanId", "SpanName", "SpanKind", "ServiceName",
    "ResourceAttributes", "ScopeName", "SpanAttributes", "Duration", "StatusCode", "StatusMessage",
)  # fmt: skip
_LOGS = (
    "Timestamp", "TraceId", "ServiceName", "SeverityText", "Body", "EventName", "LogAttributes",
)  # fmt: skip
_GAUGES = (
    "ServiceName", "ResourceAttributes", "MetricName", "Attributes", "StartTimeUnix", "TimeUnix",
    "Value",
)  # fmt: skip
_SUMS = (*_GAUGES, "AggregationTemporality", "IsMonotonic")
_ARRIVALS = ("minute", "service", "spans", "max_delay_s", "last_at")
_CUMULATIVE = 2
_STEP = timedelta(minutes=5)
_METRIC_DAYS = 8
_BATCH = 20_000

ROLLUPS = (
    "calls_hourly", "sessions_hourly", "users_hourly", "tools_hourly", "runs_hourly", "calls_daily",
    "forecast_builds", "anomaly_builds", "model_price_builds",
)  # fmt: skip


def tell(warehouse: Warehouse, story: Story) -> None:
    """Write a story into a migrated database and build what ClickHouse builds in the background."""
    spans = list(map(_span, story.spans))
    for start in range(0, len(spans), _BATCH):
        warehouse.insert("otel_traces", _SPANS, spans[start : start + _BATCH])
    warehouse.insert("otel_logs", _LOGS, [*map(_event, story.said), *_lines(story)])
    warehouse.insert("otel_metrics_gauge", _GAUGES, [*_budgets(story), *_queue(story)])
    warehouse.insert("otel_metrics_sum", _SUMS, list(_counters(story)))
    # Of a story that is told at once, every span came now, and the oldest weeks late.
    warehouse.command("TRUNCATE TABLE arrival_minutes")
    warehouse.insert("arrival_minutes", _ARRIVALS, list(_arrivals(story)))
    for rollup in ROLLUPS:
        warehouse.command(f"SYSTEM REFRESH VIEW {rollup}_mv")
        warehouse.command(f"SYSTEM WAIT VIEW {rollup}_mv")


def _id(span: Span) -> str:
    name = f"{span.trace} {span.at} {span.agent.name} {span.tool} {span.model}"
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _span(span: Span) -> Sequence[object]:
    failure = span.failure
    return (
        span.at,
        span.trace,
        _id(span),
        _id(span.parent) if span.parent else "",
        _name(span),
        "Client" if span.model else "Internal",
        span.agent.service,
        {semconv.SERVICE_NAME: span.agent.service, "service.version": span.version},
        "spanledger.instrumentation",
        _common(span) | _special(span),
        round(span.took_s * 1e9),
        "Error" if failure else "Unset",
        failure.message if failure else "",
    )


def _name(span: Span) -> str:
    if span.model:
        return f"chat {span.model.name}"
    return f"execute_tool {span.tool}" if span.tool else f"invoke_agent {span.agent.name}"


def _common(span: Span) -> dict[str, str]:
    found = {
        semconv.AGENT_NAME: span.agent.name,
        semconv.CONVERSATION_ID: span.session,
        semconv.USER_ID: span.user,
    }
    if span.failure:
        found |= {
            semconv.ERROR_TYPE: span.failure.type,
            semconv.ERROR_MESSAGE: span.failure.message,
            semconv.ERROR_ID: _id(span),
            semconv.ERROR_FINGERPRINT: span.failure.fingerprint,
        }
    return found


def _special(span: Span) -> dict[str, str]:
    if span.model:
        return _call(span, span.model)
    return _tool(span) if span.tool else _run(span)


def _tool(span: Span) -> dict[str, str]:
    return {
        semconv.OPERATION_NAME: semconv.TOOL_OPERATION,
        semconv.TOOL_NAME: span.tool,
    }


def _run(span: Span) -> dict[str, str]:
    calls = list(_calls_below(span))
    nano_usd = sum(round((call.cost_usd or 0.0) * 1e9) for call in calls)
    return {
        semconv.OPERATION_NAME: semconv.AGENT_OPERATION,
        semconv.SUBTREE_COST_NANO_USD: str(nano_usd),
        semconv.SUBTREE_TOKENS: str(sum(call.input + call.output for call in calls)),
        semconv.SUBTREE_CALLS: str(len(calls)),
        semconv.SUBTREE_UNPRICED_CALLS: str(sum(call.cost_usd is None for call in calls)),
    }


def _calls_below(span: Span) -> Iterator[Span]:
    for each in span.below:
        if each.model:
            yield each
        yield from _calls_below(each)


def _call(span: Span, model: Model) -> dict[str, str]:
    cost_usd = span.cost_usd
    found = {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: model.provider,
        semconv.REQUEST_MODEL: model.name,
        semconv.RESPONSE_MODEL: model.name,
        semconv.BILLING: "call",
        semconv.USAGE_INPUT_TOKENS: str(span.input),
        semconv.USAGE_OUTPUT_TOKENS: str(span.output),
        semconv.USAGE_CACHE_READ_TOKENS: str(span.cached),
        semconv.COST_PROVENANCE: "unpriced" if cost_usd is None else "computed",
    }
    if cost_usd is not None:
        found[semconv.COST_NANO_USD] = str(round(cost_usd * 1e9))
    return found


def _event(said: Said) -> Sequence[object]:
    identity = hashlib.sha256(f"{said.at} {said.event} {said.agent.name}".encode()).hexdigest()
    attributes = {
        semconv.GUARD_DECISION_ID: identity[:32],
        semconv.GUARD_EVENT_KIND: said.event,
        semconv.GUARD_DECISION: "refused" if said.event == "refused" else "allowed",
        semconv.GUARD_REASON: said.reason,
        semconv.GUARD_RULE: said.rule,
        semconv.GUARD_SCOPE: said.scope,
        semconv.GUARD_METRIC: "cost",
        semconv.GUARD_ASKED: str(round(said.asked_usd * 1e9)),
        semconv.AGENT_NAME: said.agent.name,
        semconv.CONVERSATION_ID: said.session,
        semconv.PROVIDER_NAME: said.agent.model.provider,
        semconv.REQUEST_MODEL: said.agent.model.name,
    }
    place = said.at, said.trace, said.agent.service
    return (*place, "WARN", said.message, semconv.GUARD_EVENT_NAME, attributes)


def _lines(story: Story) -> Iterator[Sequence[object]]:
    """What `shop` logs by itself when its tool fails."""
    for span in story.spans:
        if span.tool == "search_orders" and span.failure:
            text = f"search_orders failed: {span.failure.message}"
            yield span.at, span.trace, span.agent.service, "ERROR", text, "", {}


def _times(story: Story) -> Iterator[datetime]:
    now = story.end - timedelta(days=_METRIC_DAYS)
    while now <= story.end:
        yield now
        now += _STEP


def _from(service: str) -> tuple[str, dict[str, str]]:
    """Who tells a metric, as its row has it."""
    return service, {semconv.SERVICE_NAME: service}


def _budgets(story: Story) -> Iterator[Sequence[object]]:
    """The gauges of both budgets."""
    calls = sorted((span.at, span.cost_usd or 0.0) for span in story.spans if span.model)
    times, sums = [at for at, _ in calls], [0.0, *accumulate(cost for _, cost in calls)]
    for now in _times(story):
        for window, limit_usd in BUDGETS_USD.items():
            begin, end = _window(window, now)
            spent = sums[bisect_right(times, now)] - sums[bisect_right(times, begin)]
            attributes = {
                semconv.GUARD_RULE: {"day": "daily", "month": "monthly"}[window],
                semconv.GUARD_SCOPE: "global",
                semconv.GUARD_METRIC: "cost",
                semconv.GUARD_WINDOW: window,
            }
            for name, value in (
                (semconv.METRIC_BUDGET_LIMIT, limit_usd),
                (semconv.METRIC_BUDGET_SPENT, spent),
                (semconv.METRIC_BUDGET_RESERVED, 0.0),
                (semconv.METRIC_BUDGET_RESETS_IN, (end - now).total_seconds()),
            ):
                yield *_from("shop"), name, attributes, now, now, value


def _window(window: str, now: datetime) -> tuple[datetime, datetime]:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return day, day + timedelta(days=1)
    month = day.replace(day=1)
    return month, (month + timedelta(days=32)).replace(day=1)


def _queue(story: Story) -> Iterator[Sequence[object]]:
    for number, now in enumerate(_times(story)):
        exporter = {"exporter": "clickhouse"}
        yield (
            *_from("otelcol"),
            "otelcol_exporter_queue_size",
            exporter,
            now,
            now,
            float(number % 3),
        )


def _counters(story: Story) -> Iterator[Sequence[object]]:
    """What exporters and the Collector say of themselves, counted since the story began."""
    ended = {
        service: sorted(span.at for span in story.spans if span.agent.service == service)
        for service in ("shop", "lab")
    }
    begin = story.spans[0].at
    for now in _times(story):
        counts = {service: bisect_right(times, now) for service, times in ended.items()}
        hours = (now - begin) // timedelta(hours=1)
        for service, name, attributes, value in (*_told(counts), *_coded(hours)):
            yield *_from(service), name, attributes, begin, now, float(value), _CUMULATIVE, True


def _told(counts: dict[str, int]) -> Iterator[tuple[str, str, dict[str, str], int]]:
    for service, count in counts.items():
        yield service, semconv.METRIC_EXPORT_ACCEPTED, {}, count
        yield service, semconv.METRIC_EXPORT_DELIVERED, {}, count
        yield service, semconv.METRIC_EXPORT_SPOOLED, {}, 0
        yield service, semconv.METRIC_EXPORT_DROPPED, {"reason": "queue_full"}, 0
    whole = sum(counts.values())
    yield "otelcol", "otelcol_receiver_accepted_spans", {"receiver": "otlp"}, whole
    yield "otelcol", "otelcol_exporter_sent_spans", {"exporter": "clickhouse"}, whole


def _coded(hours: int) -> Iterator[tuple[str, str, dict[str, str], int]]:
    """What Claude Code says of the work that it did."""
    who = {"session.id": "code-1", "user.email": "ada"}
    yield "claude-code", "claude_code.lines_of_code.count", who | {"type": "added"}, 46 * hours
    yield "claude-code", "claude_code.lines_of_code.count", who | {"type": "removed"}, 17 * hours
    yield "claude-code", "claude_code.commit.count", who, hours // 3


def _arrivals(story: Story) -> Iterator[Sequence[object]]:
    minutes: Counter[tuple[datetime, str]] = Counter()
    for span in story.spans:
        came = span.at + timedelta(seconds=span.took_s + 4)
        if came <= story.end:
            minutes[came.replace(second=0, microsecond=0), span.agent.service] += 1
    for (minute, service), spans in minutes.items():
        last = min(minute + timedelta(seconds=59), story.end)
        yield minute, service, spans, 3 + (minute.minute + spans) % 5, last
