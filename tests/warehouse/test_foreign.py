"""Spans of any other producer, read and priced in SQL as Python reads and prices them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger import pricing, semconv
from spanledger.usage import Usage, dialects
from spanledger.warehouse import Warehouse
from tests.usage.test_dialects import SPANS
from tests.warehouse._rows import NOON, SPAN_COLUMNS, Span

pytestmark = pytest.mark.storage

GOLDEN = json.loads((Path(__file__).parents[1] / "pricing" / "golden.json").read_text())
#: What a usage says of a call, and the attribute that says it on a span.
ATTRIBUTES = {
    "input_tokens": semconv.USAGE_INPUT_TOKENS,
    "output_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "cache_read_tokens": semconv.USAGE_CACHE_READ_TOKENS,
    "cache_write_tokens": semconv.USAGE_CACHE_WRITE_TOKENS,
    "cache_write_1h_tokens": semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS,
    "reasoning_tokens": semconv.USAGE_REASONING_TOKENS,
    "input_audio_tokens": "gen_ai.usage.audio.input_tokens",
    "output_audio_tokens": "gen_ai.usage.audio.output_tokens",
    "input_image_tokens": "gen_ai.usage.image.input_tokens",
    "output_image_tokens": "gen_ai.usage.image.output_tokens",
    "service_tier": semconv.OPENAI_RESPONSE_SERVICE_TIER,
}

Foreign = tuple[str, Mapping[str, Any], datetime]
"""Instrumentation scope, attributes, time."""


def insert(warehouse: Warehouse, spans: Sequence[Foreign]) -> None:
    rows = []
    for number, (scope, attributes, at) in enumerate(spans, start=1):
        texts = {name: as_exported(value) for name, value in attributes.items()}
        span = Span(span_id=f"{number:016x}", at=at, attributes=texts)
        rows.append([*span.row(), scope])
    warehouse.insert("otel_traces", [*SPAN_COLUMNS, "ScopeName"], rows)


def as_exported(value: object) -> str:
    """An attribute's value as the Collector's exporter writes it into a map of texts."""
    return json.dumps(value) if isinstance(value, (list, tuple)) else str(value)


def stored(warehouse: Warehouse) -> dict[int, dict[str, Any]]:
    """The calls by the number of their span."""
    return {int(row["span_id"], 16): row for row in warehouse.query("SELECT * FROM calls")}


def as_python_sees(span: Foreign) -> dict[str, Any] | None:
    """The columns that matter, from Python's reading of the span and Python's price."""
    scope, attributes, at = span
    found = dialects.read(attributes, scope)
    if found is None:
        return None
    cost = pricing.price(found.provider, found.model, found.usage, at=at)
    known = found.usage.source != "missing"
    return {
        "operation": found.operation,
        "provider": found.provider,
        "request_model": found.request_model,
        "response_model": found.response_model,
        "session_id": found.conversation,
        "user_id": found.user,
        "usage_source": found.usage.source,
        "cost_usd": None if cost.nano_usd is None else Decimal(cost.nano_usd) / 10**9,
        "cost_provenance": cost.provenance,
        **({"input_tokens": found.usage.input_tokens} if known else {}),
        **({"output_tokens": found.usage.output_tokens} if known else {}),
        **({"cache_read_tokens": found.usage.cache_read_tokens} if known else {}),
        **({"cache_write_tokens": found.usage.cache_write_tokens} if known else {}),
    }


def compare(warehouse: Warehouse, spans: Sequence[Foreign]) -> int:
    """Hold every stored call to what Python makes of its span; how many calls there are."""
    insert(warehouse, spans)
    rows = stored(warehouse)
    for number, span in enumerate(spans, start=1):
        expected = as_python_sees(span)
        if expected is None:
            assert number not in rows, span
        else:
            row = rows[number]
            assert {name: row[name] for name in expected} == expected, span
    return len(rows)


def test_every_dialect_is_read_as_python_reads_it(warehouse: Warehouse) -> None:
    spans = [(scope, attributes, NOON) for scope, attributes in SPANS.values()]
    assert compare(warehouse, spans) >= len(SPANS) - 2


def golden_spans() -> list[tuple[dict[str, Any], Foreign]]:
    """The golden cases that a span can tell: it has no words for searches and cached audio."""
    return [
        (case, ("spanledger.golden", span_of(case), datetime.fromisoformat(case["at"])))
        for case in GOLDEN
        if case["usage"].keys() <= ATTRIBUTES.keys() and case["provider"] != "litellm"
    ]


def span_of(case: Mapping[str, Any]) -> dict[str, Any]:
    told = {"input_tokens": 0, "output_tokens": 0, **case["usage"]}
    return {
        semconv.OPERATION_NAME: "chat",
        semconv.PROVIDER_NAME: case["provider"],
        semconv.REQUEST_MODEL: case["model"],
        **{ATTRIBUTES[name]: value for name, value in told.items()},
    }


def test_the_golden_cases_cost_the_same_to_the_nano_dollar(warehouse: Warehouse) -> None:
    cases = golden_spans()
    assert len(cases) >= 40
    compare(warehouse, [span for _, span in cases])
    rows = stored(warehouse)
    for number, (case, span) in enumerate(cases, start=1):
        read = dialects.read(span[1], span[0])
        assert read is not None
        told = Usage(**case["usage"])
        same = read.usage._replace(source="provider", service_tier=told.service_tier) == told
        if same and read.provider == case["provider"].lower():
            expected = case["nano_usd"] and Decimal(case["nano_usd"]) / 10**9
            assert rows[number]["cost_usd"] == expected, case["name"]


def test_models_of_every_kind_of_rule_are_found_as_python_finds_them(warehouse: Warehouse) -> None:
    """Every model's own id, dated and not, with and without its provider."""
    raw = json.loads(
        (Path(pricing.__file__).parent / "data" / "prices.json").read_text(encoding="utf-8")
    )
    names = [
        (provider["id"], model["id"])
        for provider in raw["providers"]
        for model in provider["models"]
    ]
    suffixes = ["", "-20260401", "-2026-04-01", "-preview-tts", "-latest"]
    usage = {"input_tokens": 210_007, "output_tokens": 1_003, "cache_read_tokens": 1_001}
    spans: list[Foreign] = []
    for index, (provider, model) in enumerate(names):
        at = datetime(2026, 11, index % 28 + 1, index % 24, tzinfo=UTC)
        name = model + suffixes[index % len(suffixes)]
        for told in (provider, "") if index % 4 == 0 else (provider,):
            attributes = span_of({"provider": told, "model": name, "usage": usage})
            spans.append(("spanledger.names", attributes, at))
    assert compare(warehouse, spans) == len(spans) > 2000


def test_a_foreign_span_with_garbage_never_stops_its_batch(warehouse: Warehouse) -> None:
    garbage = [
        "", "-5", "NaN", "inf", "1e3", "9" * 30, "\x00", "\x1b[31m", "{", "'; DROP TABLE x",
        "\ud7ff", "a" * 50_000,
    ]  # fmt: skip
    names = [*ATTRIBUTES.values(), semconv.PROVIDER_NAME, semconv.REQUEST_MODEL]
    spans: list[Foreign] = [
        ("x" * 300, {semconv.OPERATION_NAME: "chat", **dict.fromkeys(names, bad)}, NOON)
        for bad in garbage
    ]
    good = span_of({"provider": "openai", "model": "gpt-4o", "usage": {"input_tokens": 1000}})
    insert(warehouse, [*spans, ("", good, NOON)])
    rows = stored(warehouse)
    assert len(rows) == len(garbage) + 1
    assert rows.pop(len(garbage) + 1)["cost_usd"] == Decimal("0.0025")
    assert {row["cost_usd"] for row in rows.values()} == {None}


def test_times_far_away_are_priced_by_what_held_then(warehouse: Warehouse) -> None:
    good = span_of({"provider": "openai", "model": "gpt-4o", "usage": {"input_tokens": 1000}})
    times = [datetime(year, 6, 1, tzinfo=UTC) for year in (1970, 2026, 2100, 2261)]
    assert compare(warehouse, [("", good, at) for at in times]) == len(times)


def test_a_cost_that_the_span_tells_is_kept(warehouse: Warehouse) -> None:
    told = {semconv.COST_NANO_USD: "77", semconv.COST_PROVENANCE: "provider"}
    attributes = span_of({"provider": "openai", "model": "gpt-4o", "usage": {"input_tokens": 9}})
    insert(warehouse, [("", {**attributes, **told}, NOON)])
    (row,) = stored(warehouse).values()
    assert (row["cost_usd"], row["cost_provenance"]) == (Decimal("0.000000077"), "provider")


def test_spans_of_others_that_are_re_sent_count_once(warehouse: Warehouse) -> None:
    attributes = span_of({"provider": "openai", "model": "gpt-4o", "usage": {"input_tokens": 9}})
    spans: list[Foreign] = [("", attributes, NOON)] * 10
    insert(warehouse, spans)
    insert(warehouse, spans)
    insert(warehouse, spans[:5])
    assert len(stored(warehouse)) == 10


def test_our_own_marked_spans_are_not_read_twice(warehouse: Warehouse) -> None:
    attributes = span_of({"provider": "openai", "model": "gpt-4o", "usage": {"input_tokens": 9}})
    texts = {name: str(value) for name, value in attributes.items()}
    for number, mark in enumerate(("call", "shadow", "container", "refused")):
        span = Span(span_id=f"{number + 1:016x}", attributes={**texts, semconv.BILLING: mark})
        warehouse.insert("otel_traces", SPAN_COLUMNS, [span.row()])
    assert [row["billing"] for row in stored(warehouse).values()] == ["call"]
