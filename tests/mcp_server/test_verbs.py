"""Every question, through the official client over both transports, against what the demo did."""

import csv
import io
import json
from typing import Any

import pytest

from tests.cli.conftest import History
from tests.mcp_server._client import Assistant, VerbFailed
from tests.mcp_server._transcript import PAGE, on_page, transcript

VERBS = (
    "usage_track_call", "usage_get_stats", "usage_get_report", "usage_export", "usage_reset",
    "budget_create", "budget_update", "budget_get", "budget_list", "budget_delete",
    "rate_limit_set", "rate_limit_check",
    "context_analyze", "context_optimize", "context_summarize", "context_truncate",
    "context_estimate_tokens",
    "last_action", "explain", "find_related", "trace_get", "errors_recent", "forecast",
    "anomalies", "guard_explain",
)  # fmt: skip
CHANGING = {
    "usage_track_call", "usage_reset", "budget_create", "budget_update", "budget_delete",
    "rate_limit_set",
}  # fmt: skip
MESSAGES = [
    {"role": "system", "content": "You are a clerk of a parcel service."},
    *({"role": "user", "content": f"Where is parcel {n}? It left Bergen."} for n in range(20)),
]


def test_the_verbs_are_exactly_these_each_with_a_description_and_typed_arguments(
    assistant: Assistant,
) -> None:
    found = assistant.verbs()
    assert sorted(verb.name for verb in found) == sorted(VERBS)
    for verb in found:
        assert verb.description, verb.name
        for name, schema in verb.input_schema.get("properties", {}).items():
            assert {"type", "anyOf", "enum", "$ref", "const"} & schema.keys(), (verb.name, name)
        assert verb.annotations is not None
        assert verb.annotations.read_only_hint is (verb.name not in CHANGING)


def test_the_report_says_what_the_demo_cost(assistant: Assistant, history: History) -> None:
    report = assistant.ask("usage_get_report")
    by_agent = {row["name"]: row["cost_usd"] for row in history.demo["by"]["agent"]}
    assert {row["name"]: row["cost_usd"] for row in report["agents"]} == by_agent
    assert [row["session_id"] for row in report["sessions"]] == [history.demo["session"]]
    assert report["total"]["calls"] == 8
    assert report["refused"][0]["refused"] == 1


@pytest.mark.parametrize("by", ["all", "agent", "session", "user", "model", "provider", "tool"])
def test_statistics_by_every_dimension(assistant: Assistant, by: str) -> None:
    found = assistant.ask("usage_get_stats", by=by, since="7d")
    assert found["rows"]
    assert found["next_offset"] is None
    assert sum(row["calls"] for row in found["rows"]) == (4 if by == "tool" else 8)


def test_answers_come_in_pages(assistant: Assistant) -> None:
    whole = assistant.ask("usage_get_stats", by="model", since="7d")["rows"]
    assert len(whole) == 3
    paged: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        page = assistant.ask("usage_get_stats", by="model", since="7d", limit=1, offset=offset)
        assert len(page["rows"]) == 1
        paged += page["rows"]
        offset = page["next_offset"]
    assert paged == whole


@pytest.mark.parametrize("form", ["json", "csv"])
def test_rows_are_exported_page_by_page(assistant: Assistant, form: str) -> None:
    asked: dict[str, Any] = {"form": form, "since": "7d", "limit": 5}
    pages = [assistant.ask("usage_export", offset=offset, **asked) for offset in (0, 5)]
    assert [page["next_offset"] for page in pages] == [5, None]
    rows = [row for page in pages for row in _rows(page["text"], form)]
    assert len(rows) == pages[0]["rows_total"] == 8
    assert len({row["span_id"] for row in rows}) == 8


def _rows(text: str, form: str) -> list[dict[str, Any]]:
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text)))
    return [json.loads(line) for line in text.splitlines()]


def test_the_last_action_is_the_refused_call(assistant: Assistant) -> None:
    found = assistant.ask("last_action")
    (last,) = found["rows"]
    assert (last["kind"], last["status"]) == ("call", "error")
    assert last["refused_because"] == "budget_exhausted"
    assert found["summary"][0].startswith("The last action: 1 error")


def test_an_action_is_explained(assistant: Assistant) -> None:
    (last,) = assistant.ask("last_action")["rows"]
    found = assistant.ask("explain", action_id=last["action_id"])
    assert [each["kind"] for each in found["part_of"]] == ["agent", "session"]
    assert "The guard refused it: budget_exhausted, by the rule session-cost." in found["sentences"]
    told = assistant.ask("explain", action_id=last["action_id"][:8], language="id")
    assert "Ditolak oleh penjaga" in " ".join(told["sentences"])


def test_related_actions_are_found(assistant: Assistant, history: History) -> None:
    (found, *_) = assistant.ask("find_related", query="carrier did not answer")["rows"]
    assert (found["name"], found["score"]) == ("track_parcel", 1.0)
    asked = {"query": "track parcel", "session": history.demo["session"]}
    assert assistant.ask("find_related", **asked)["rows"]
    assert assistant.ask("find_related", query="elephants")["rows"] == []


def test_a_trace_is_told_in_order_with_what_each_part_cost(
    assistant: Assistant, history: History
) -> None:
    found = assistant.ask("trace_get", trace_id=history.demo["trace_id"][:8])
    assert found["trace_id"] == history.demo["trace_id"]
    assert found["spans_total"] == len(found["rows"])
    assert found["rows"][0]["cost_usd"] == found["cost_usd"]
    assert [row["depth"] for row in found["rows"][:3]] == [0, 1, 2]
    assert found["refusals"][0]["rule"] == "session-cost"
    newest = assistant.ask("trace_get", session=history.demo["session"], limit=2)
    assert (newest["trace_id"], newest["next_offset"]) == (found["trace_id"], 2)


def test_recent_errors_are_told_once_each(assistant: Assistant) -> None:
    rows = assistant.ask("errors_recent", since="7d")["rows"]
    assert [row["error_type"] for row in rows] == ["BudgetExceeded", "TimeoutError"]
    assert rows[1]["message"].startswith("the carrier did not answer")
    assert assistant.ask("errors_recent", agent="nobody")["rows"] == []


@pytest.mark.usefixtures("weeks")
def test_a_forecast_has_a_band_and_says_when_the_budget_ends(assistant: Assistant) -> None:
    asked = {"of": "agent", "name": "night-shift", "days": 3, "budget": 0.000001}
    found = assistant.ask("forecast", **asked)
    assert len(found["days"]) == 3
    assert all(day["low"] <= day["expected"] <= day["high"] for day in found["days"])
    assert found["budget_end"]["sentence"]


def test_anomalies_are_none_where_nothing_is_usual_yet(assistant: Assistant) -> None:
    assert assistant.ask("anomalies")["rows"] == []
    assert assistant.ask("anomalies", kind="latency", agent="planner")["rows"] == []


def test_the_guard_says_what_it_would_do(assistant: Assistant) -> None:
    found = assistant.ask("guard_explain", model="gpt-4o", input_tokens=10_000_000)
    assert (found["allowed"], found["reason"]) == (False, "budget_exhausted")
    (budget, rate) = found["rules"]
    assert (budget["rule"], budget["limit"], budget["fits"]) == ("team", "5", False)
    assert (rate["rule"], rate["fits"]) == ("steady", True)


def test_limits_of_the_file_are_shown(assistant: Assistant) -> None:
    (budget,) = assistant.ask("budget_list")["rows"]
    assert (budget["name"], budget["source"]) == ("team", "file")
    assert assistant.ask("budget_get", name="team")["window"] == "day"
    (rate,) = assistant.ask("rate_limit_check")["rows"]
    assert rate["name"] == "steady"
    assert assistant.ask("rate_limit_check", name="steady")["counters"] == []


def test_contexts_are_counted_and_made_smaller(assistant: Assistant) -> None:
    asked: dict[str, Any] = {"messages": MESSAGES, "model": "gpt-4o"}
    before = assistant.ask("context_estimate_tokens", **asked)["tokens"]
    assert assistant.ask("context_analyze", **asked)["messages"]
    for verb in ("context_optimize", "context_truncate", "context_summarize"):
        found = assistant.ask(verb, limit_tokens=150, **asked)
        after = assistant.ask("context_estimate_tokens", messages=found["messages"], model="gpt-4o")
        assert after["tokens"] <= 150 < before, verb


@pytest.mark.parametrize(
    ("verb", "arguments", "says"),
    [
        ("usage_get_stats", {"agent": "plannner"}, "nothing is recorded of agent 'plannner'"),
        ("usage_get_stats", {"since": "yesterdayish"}, "'yesterdayish' is no time; give 30m"),
        ("usage_get_stats", {"since": "1h", "until": "2h"}, "holds no time"),
        ("usage_get_stats", {"by": "nonsense"}, "validation error"),
        ("usage_get_stats", {"limit": 100_000}, "less than or equal to 200"),
        ("usage_get_stats", {"agent": "x" * 10_000}, "at most 1000 characters"),
        ("usage_reset", {"by": "session"}, "say which session, or choose all"),
        ("explain", {"action_id": "' OR 1=1 --"}, "no action has the id"),
        ("explain", {"action_id": "ab"}, "too short for an id"),
        ("trace_get", {"trace_id": "zzzz"}, "no trace begins with 'zzzz'"),
        ("find_related", {"query": "?!"}, "no word to look for"),
        ("forecast", {"of": "agent", "name": "nobody"}, "nothing is recorded of agent 'nobody'"),
        ("budget_get", {"name": "nobody"}, "there is no budget 'nobody'"),
        ("context_estimate_tokens", {"model": "gpt-4o"}, "give either `text` or `messages`"),
        ("anomalies", {"agent": "a", "session": "b"}, "not both"),
        ("no_such_verb", {}, "Unknown tool"),
    ],
)
def test_what_is_asked_wrongly_is_answered_with_what_to_do(
    assistant: Assistant, verb: str, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(Exception, match=says) as caught:
        assistant.ask(verb, **arguments)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("usage_reset", {"by": "all", "confirm": True}),
        ("budget_create", {"name": "new", "limit": "1"}),
        ("budget_update", {"name": "team", "limit": "1000000"}),
        ("budget_delete", {"name": "team"}),
        ("rate_limit_set", {"name": "steady", "limit": 1_000_000}),
    ],
)
def test_by_default_nothing_can_be_changed(
    assistant: Assistant, verb: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(
        VerbFailed, match="read-only; start it with `spanledger mcp --allow-writes`"
    ):
        assistant.ask(verb, **arguments)


def test_the_conversation_in_the_docs_is_what_the_verbs_answer(
    assistant: Assistant, history: History
) -> None:
    made = transcript(assistant, history.demo["session"])
    assert on_page(PAGE.read_text(encoding="utf-8")).strip() == made.strip(), (
        "run `python -m tests.mcp_server._transcript`"
    )
