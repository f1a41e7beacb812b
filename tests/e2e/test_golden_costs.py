"""Cost of every call in the store equals the provider's usage priced by hand."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

from spanledger.stack import StackInfo
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from spanledger.warehouse import Warehouse
from tests.e2e.conftest import RunAgent

_GOLDEN = Path(__file__).parents[1] / "pricing" / "golden.json"

#: What a reply of the mock provider can say about its usage.
_SAYABLE = {
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "service_tier",
}


def _sayable(case: dict[str, Any]) -> bool:
    usage = case["usage"]
    if not usage.keys() <= _SAYABLE or not case["provider"]:
        return False
    parts = usage.get("cache_read_tokens", 0) + usage.get("cache_write_tokens", 0)
    if parts > usage.get("input_tokens", 0):
        return False  # a contradiction, which the mock provider refuses to speak
    # OpenAI's replies have no word for writes that are kept for an hour.
    return case["provider"] == "anthropic" or not usage.get("cache_write_1h_tokens")


def _cases() -> list[dict[str, Any]]:
    cases = json.loads(_GOLDEN.read_text(encoding="utf-8"))
    return [case for case in cases if _sayable(case) and case["usage"].get("output_tokens")]


def _reply(case: dict[str, Any]) -> Reply:
    usage = dict(case["usage"])
    tier = usage.pop("service_tier", None)
    return Reply(text="hello", usage=UsageSpec(**usage), service_tier=tier)


def _send(process: subprocess.Popen[str], cases: list[dict[str, Any]]) -> None:
    _out, errors = process.communicate(json.dumps(cases), timeout=120)
    assert process.returncode == 0, errors


def test_the_store_holds_the_golden_cost_of_every_case_to_the_nano_dollar(
    running: StackInfo, warehouse: Warehouse, provider: MockProvider, run_agent: RunAgent
) -> None:
    cases = _cases()
    assert len(cases) >= 40
    provider.enqueue(*map(_reply, cases))
    _send(run_agent("agent_golden.py", endpoint=running.otlp_endpoint), cases)
    rows = warehouse.query(
        "SELECT session_id, cost_usd, cost_provenance, usage_source FROM calls "
        "WHERE startsWith(session_id, 'golden-')"
    )
    stored = {row["session_id"]: row for row in rows}
    assert len(rows) == len(stored) == len(cases)
    for number, case in enumerate(cases):
        row = stored[f"golden-{number}"]
        expected = case["nano_usd"]
        cost = None if expected is None else Decimal(expected) / 10**9
        assert (row["cost_usd"], row["cost_provenance"]) == (cost, case["provenance"]), case["name"]


def test_an_unpriced_call_is_null_in_the_store_and_not_zero(
    running: StackInfo, warehouse: Warehouse, provider: MockProvider, run_agent: RunAgent
) -> None:
    case = {
        "provider": "openai",
        "model": "nobody-knows-this-model",
        "at": "2026-11-20T12:00:00Z",
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    provider.enqueue(_reply(case))
    _send(run_agent("agent_golden.py", endpoint=running.otlp_endpoint), [case])
    [row] = warehouse.query(
        "SELECT cost_usd, cost_provenance, input_tokens FROM calls "
        "WHERE request_model = 'nobody-knows-this-model'"
    )
    assert row["cost_usd"] is None
    assert row["cost_provenance"] == "unpriced"
    assert row["input_tokens"] == 10
