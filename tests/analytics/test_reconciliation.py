"""What is recorded against what is billed: every kind of difference has its class."""

import contextlib
import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.analytics import (
    BilledLine,
    RecordedDay,
    UnreadableBill,
    read_bill,
    reconcile,
    recorded_days,
)
from spanledger.analytics.reconciliation import MEANINGS, DifferenceClass
from tests.analytics._history import History

_DAY = date(2026, 5, 1)
_OURS = RecordedDay(_DAY, "openai", "gpt-x", "default", 10, 0, 0, 0, 1000, 100, 400, 0, Decimal(2))
_THEIRS = BilledLine(_DAY, "openai", "gpt-x", "", 10, 1000, 100, 400, 0, Decimal(2))

_OPENAI_USAGE = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": 1777593600,
            "end_time": 1777680000,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 1000,
                    "output_tokens": 500,
                    "input_cached_tokens": 800,
                    "num_model_requests": 5,
                    "project_id": None,
                    "model": "gpt-x",
                    "batch": True,
                }
            ],
        }
    ],
    "has_more": False,
}
_OPENAI_COSTS = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": 1777593600,
            "results": [
                {
                    "object": "organization.costs.result",
                    "amount": {"value": 0.06, "currency": "usd"},
                    "line_item": "gpt-x, cached input",
                }
            ],
        }
    ],
}
_ANTHROPIC_USAGE = {
    "data": [
        {
            "starting_at": "2026-05-01T00:00:00Z",
            "ending_at": "2026-05-02T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1500,
                    "cache_creation": {
                        "ephemeral_1h_input_tokens": 1000,
                        "ephemeral_5m_input_tokens": 500,
                    },
                    "cache_read_input_tokens": 200,
                    "output_tokens": 500,
                    "server_tool_use": {"web_search_requests": 10},
                    "model": "claude-y",
                    "service_tier": "standard",
                }
            ],
        }
    ],
    "has_more": False,
}
_ANTHROPIC_COST = {
    "data": [
        {
            "starting_at": "2026-05-01T00:00:00Z",
            "results": [
                {
                    "currency": "USD",
                    "amount": "123.45",
                    "model": "claude-y",
                    "service_tier": "batch",
                }
            ],
        }
    ]
}


def _line(document: object) -> BilledLine:
    (line,) = read_bill(json.dumps(document))
    return line


def test_exports_of_openai_are_read() -> None:
    assert _line(_OPENAI_USAGE) == BilledLine(
        _DAY, "openai", "gpt-x", "batch", 5, 1000, 500, 800, 0
    )
    assert _line([_OPENAI_COSTS]) == BilledLine(_DAY, "openai", "gpt-x", cost_usd=Decimal("0.06"))
    (usage,) = read_bill(
        "start_time,end_time,start_time_iso,project_id,num_model_requests,model,batch,"
        "service_tier,input_tokens,output_tokens,input_cached_tokens\n"
        "1777593600,1777680000,2026-05-01T00:00:00+00:00,p,5,gpt-x,false,default,1000,500,800\n"
    )
    assert usage == BilledLine(_DAY, "openai", "gpt-x", "default", 5, 1000, 500, 800, 0)
    (cost,) = read_bill(
        "\ufeffstart_time_iso,amount_value,amount_currency,line_item\n"
        '2026-05-01T00:00:00+00:00,1.5,usd,"gpt-x, input"\n'
    )
    assert (cost.model, cost.cost_usd, cost.input_tokens) == ("gpt-x", Decimal("1.5"), None)


def test_exports_of_anthropic_are_read_cents_as_dollars() -> None:
    assert _line(_ANTHROPIC_USAGE) == BilledLine(
        _DAY, "anthropic", "claude-y", "", None, 3200, 500, 200, 1500
    )
    assert _line(_ANTHROPIC_COST) == BilledLine(
        _DAY, "anthropic", "claude-y", "batch", cost_usd=Decimal("1.2345")
    )
    (usage,) = read_bill(
        "usage_date_utc,model_version,usage_type,usage_input_tokens_no_cache,"
        "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,"
        "usage_input_tokens_cache_read,usage_output_tokens\n2026-05-01,claude-y,batch,1,2,3,4,5\n"
    )
    assert usage == BilledLine(_DAY, "anthropic", "claude-y", "batch", None, 10, 5, 4, 5)
    (cost,) = read_bill("usage_date_utc,model,cost_usd\n2026-05-01,claude-y,1.25\n")
    assert cost.cost_usd == Decimal("1.25")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no line"),
        ("{", "no JSON"),
        ("[1]", "no answer"),
        ('{"data": [{"start_time": 1}]}', "no `results`"),
        ('{"data": []}', "no line"),
        ("a,b\n1,2\n", "columns (a, b)"),
        ("date,cost_usd\n2026-05-01,much\n", "line 1"),
        ("date,cost_usd\nyesterday,1\n", "line 1"),
        ("cost_usd\n1\n", "no time"),
        ("date,amount_value,amount_currency\n2026-05-01,1,eur\n", "in eur"),
        ("date,input_tokens\n2026-05-01,x\n", "line 1"),
        ("date,input_tokens\n99999999999999999999,1\n", "line 1"),
    ],
)
def test_what_is_no_export_is_refused_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(UnreadableBill) as refused:
        read_bill(text)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UnreadableBill):
        assert read_bill(text)


def _kind(ours: RecordedDay | None, *theirs: BilledLine) -> DifferenceClass:
    found = reconcile([ours] if ours else [], theirs)
    (line,) = found.lines
    assert found.explained == (line.kind in ("none", "rounding"))
    return line.kind


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"),
    [
        ("none", {}, {}),
        ("none", {}, {"cost_usd": None}),
        ("rounding", {}, {"cost_usd": Decimal("2.009")}),
        ("rounding", {"cost_usd": Decimal("1000.0")}, {"cost_usd": Decimal("1004")}),
        ("missing", {}, {"input_tokens": 1500, "output_tokens": 120, "cost_usd": Decimal(3)}),
        ("extra", {"input_tokens": 1100}, {}),
        ("double", {"input_tokens": 2000, "output_tokens": 200, "cost_usd": Decimal(4)}, {}),
        ("double", {"input_tokens": 3000, "output_tokens": 300, "cost_usd": Decimal(6)}, {}),
        ("cached", {"cache_read_tokens": 0, "cost_usd": Decimal("2.5")}, {}),
        ("cached", {}, {"cache_write_tokens": 10}),
        ("tier", {}, {"service_tier": "batch", "cost_usd": Decimal(1)}),
        ("unpriced", {"unpriced_calls": 3, "cost_usd": Decimal("1.4")}, {}),
        ("unpriced", {"unpriced_calls": 10, "cost_usd": None}, {}),
        ("tokens", {"input_tokens": 1100, "output_tokens": 90}, {}),
        ("price", {}, {"cost_usd": Decimal("1.8")}),
    ],
)
def test_each_difference_has_its_class(
    kind: DifferenceClass, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    assert _kind(replace(_OURS, **ours), replace(_THEIRS, **theirs)) == kind


def test_one_side_alone_is_missing_or_extra() -> None:
    assert _kind(None, _THEIRS) == "missing"
    (line,) = reconcile([_OURS], []).lines
    assert (line.kind, line.cost_difference_usd) == ("extra", None)


def test_usage_and_cost_of_two_files_come_together() -> None:
    usage = replace(_THEIRS, cost_usd=None)
    cost = BilledLine(_DAY, "openai", "gpt-x", cost_usd=Decimal(1))
    assert _kind(_OURS, usage, cost, cost) == "none"
    assert _kind(_OURS, cost, cost, cost) == "price"
    (line,) = reconcile([_OURS], [usage, cost, cost, cost]).lines
    assert line.cost_difference_usd == 1


def test_a_bill_without_models_is_compared_by_day() -> None:
    other = replace(_OURS, model="gpt-z")
    bill = BilledLine(_DAY, "openai", "", cost_usd=Decimal(4))
    (line,) = reconcile([_OURS, other], [bill]).lines
    assert (line.model, line.kind) == ("", "none")


def test_every_class_has_a_meaning() -> None:
    assert set(MEANINGS) >= {"none", "missing", "double", "cached", "tier"}


_LINES = st.builds(
    replace,
    st.just(_THEIRS),
    input_tokens=st.integers(0, 5) | st.none(),
    output_tokens=st.integers(0, 5),
    cache_read_tokens=st.integers(0, 5),
    cost_usd=st.decimals(0, 9, places=2) | st.none(),
)
_DAYS = st.builds(
    replace,
    st.just(_OURS),
    input_tokens=st.integers(0, 5),
    output_tokens=st.integers(0, 5),
    cache_read_tokens=st.integers(0, 5),
    unpriced_calls=st.integers(0, 1),
    cost_usd=st.decimals(0, 9, places=2) | st.none(),
)


@given(st.lists(_DAYS, max_size=3), st.lists(_LINES, max_size=3))
def test_whatever_comes_totals_are_exact(ours: list[RecordedDay], theirs: list[BilledLine]) -> None:
    found = reconcile(ours, theirs)
    assert found.recorded_usd == sum(row.cost_usd or 0 for row in ours)
    assert (found.billed_usd or 0) == sum(line.cost_usd or 0 for line in theirs)
    assert all(line.kind in MEANINGS for line in found.lines)


@pytest.mark.storage
def test_a_bill_over_the_history_agrees_and_a_call_less_is_found(known: History) -> None:
    first, last = known.days()[0].date(), (known.today - timedelta(days=1)).date()
    ours = recorded_days(known.warehouse, ["openai"], first, last)
    assert sum(row.calls for row in ours) == known.planned
    assert {row.model for row in ours} == {"gpt-x-2026"}, "what the provider answered"
    bill = [
        BilledLine(row.day, "openai", row.model, "", row.calls, row.input_tokens,
                   row.output_tokens, row.cache_read_tokens, 0, row.cost_usd)
        for row in ours
    ]  # fmt: skip
    assert reconcile(ours, bill).explained
    more = replace(bill[0], input_tokens=(bill[0].input_tokens or 0) + 1000)
    wrong = [line.kind for line in reconcile(ours, [more, *bill[1:]]).lines if line.kind != "none"]
    assert wrong == ["missing"]
    with pytest.raises(ValueError, match="holds no time"):
        recorded_days(known.warehouse, ["openai"], last, datetime(2020, 1, 1).date())
