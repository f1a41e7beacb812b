"""`spanledger demo`: real clients, a real subprocess, a real store; what it shows is true."""

import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spanledger import stack
from spanledger.cli._demo import AGENT_DIR
from spanledger.cli._demo_script import CONVERSATION
from spanledger.testing.providers import MockProvider
from spanledger.warehouse import connect
from tests.cli._program import TIMEOUT_S, clean_environment, json_of, run_cli
from tests.demo.conftest import Demo

pytestmark = pytest.mark.storage

_EXAMPLES = Path(__file__).parents[2] / "examples"

#: US dollars for a million tokens, from the providers' price lists: input that is not cached,
#: cache read, cache write for 5 minutes, output.
_PRICES = {
    "gpt-4.1-mini": ("0.40", "0.10", "0.40", "1.60"),
    "claude-sonnet-4-5": ("3", "0.30", "3.75", "15"),
    "gpt-5-mini": ("0.25", "0.025", "0.25", "2"),
}


def by_hand(model: str, *, rest: int, read: int, written: int, output: int) -> Decimal:
    """The price of some tokens in US dollars."""
    prices = map(Decimal, _PRICES[model])
    tokens = (rest, read, written, output)
    return sum((p * n for p, n in zip(prices, tokens, strict=True)), Decimal(0)) / 1_000_000


def spans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of the tree and everything below it."""
    yield node
    for child in node["children"]:
        yield from spans(child)


def test_the_demo_takes_less_than_a_minute_and_tells_its_progress(demo: Demo) -> None:
    assert demo.duration_s < 60
    assert "starting the local stack" in demo.progress
    assert "running the agent" in demo.progress


def test_every_request_that_reached_a_provider_is_a_call_in_the_store(demo: Demo) -> None:
    sent = Counter(request["model"] for request in demo.said["requests"])
    stored = {row["name"]: row["calls"] for row in demo.said["by"]["model"] if row["calls"]}
    assert stored == dict(sent)
    assert demo.said["totals"]["calls"] == len(CONVERSATION) == 8
    assert {request["status"] for request in demo.said["requests"]} == {200}


def test_the_cost_of_each_agent_is_its_usage_priced_by_hand(demo: Demo) -> None:
    expected = {
        "planner": by_hand("gpt-4.1-mini", rest=1381, read=6016, written=0, output=171),
        "researcher": by_hand("claude-sonnet-4-5", rest=834, read=1280, written=1440, output=195),
        "writer": by_hand("gpt-5-mini", rest=143, read=0, written=0, output=231),
    }
    found = {row["name"]: Decimal(row["cost_usd"]) for row in demo.said["by"]["agent"]}
    assert found == expected
    assert Decimal(demo.said["totals"]["cost_usd"]) == sum(expected.values())
    assert demo.said["totals"]["unpriced_calls"] == 0


def test_each_call_in_the_tree_costs_what_its_reply_said(demo: Demo) -> None:
    (root,) = demo.said["roots"]
    calls = [s for s in spans(root) if s["what"] == "call" and s["billing"] == "call"]
    for call, reply in zip(calls, CONVERSATION, strict=True):
        usage = reply.usage
        assert usage is not None
        rest = usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens
        cost = by_hand(
            call["model"],
            rest=rest,
            read=usage.cache_read_tokens,
            written=usage.cache_write_tokens,
            output=usage.output_tokens,
        )
        assert Decimal(call["cost_nano_usd"]) / 10**9 == cost
        assert (call["input_tokens"], call["output_tokens"]) == (
            usage.input_tokens,
            usage.output_tokens,
        )


def test_the_refused_call_sent_no_request_and_says_why(demo: Demo) -> None:
    assert "claude-opus-4-1" not in {request["model"] for request in demo.said["requests"]}
    (refused,) = [s for s in spans(demo.said["roots"][0]) if s["billing"] == "refused"]
    assert (refused["model"], refused["rule"], refused["reason"]) == (
        "claude-opus-4-1",
        "session-cost",
        "budget_exhausted",
    )
    (refusal,) = demo.said["refusals"]
    assert Decimal(refusal["limit_amount"]) == 100_000_000
    assert Decimal(refusal["spent_amount"]) == 13_136_350
    assert demo.said["totals"]["refused_calls"] == 1


def test_the_tree_has_a_planner_two_sub_agents_four_tools_and_a_stream(demo: Demo) -> None:
    (root,) = demo.said["roots"]
    found = list(spans(root))
    assert root["what"] == "session"
    assert [s["agent"] for s in found if s["what"] == "agent"] == [
        "planner",
        "researcher",
        "writer",
    ]
    tools = {s["tool"]: s["status"] for s in found if s["what"] == "tool"}
    assert tools.pop("track_parcel") == "Error"
    assert tools == dict.fromkeys(("look_up_order", "search_policy", "calculate_refund"), "Unset")
    assert [r["model"] for r in demo.said["requests"] if r["stream"]] == ["gpt-5-mini"]
    assert demo.said["totals"]["failed_tool_calls"] == 1


def test_the_totals_of_the_root_are_those_of_the_report(demo: Demo) -> None:
    (root,) = demo.said["roots"]
    total = demo.said["totals"]
    assert root["subtree"]["cost_usd"] == total["cost_usd"]
    assert root["subtree"]["calls"] == total["calls"]
    assert root["subtree"]["tokens"] == total["input_tokens"] + total["output_tokens"]


def test_nothing_is_left_behind(demo: Demo) -> None:
    assert list(demo.home.iterdir()) == []


def test_with_the_usual_ports_taken_the_demo_finds_others(tmp_path: Path) -> None:
    with ExitStack() as others:
        for port in (4318, 8123):
            # If it can't be had, somebody has it, which serves as well.
            with suppress(OSError):
                taken = others.enter_context(socket.socket())
                taken.bind(("127.0.0.1", port))
                taken.listen()
        done = run_cli("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "total $0.01313635" in done.stdout
    assert "8 requests reached the providers, 8 calls are in ClickHouse" in done.stdout
    assert "⊘ refused by session-cost" in done.stdout


def test_a_kept_stack_goes_on_with_the_demos_data(tmp_path: Path) -> None:
    where = ("--data-dir", str(tmp_path / "data"))
    try:
        said = json_of(run_cli("demo", "--keep", "--json", *where, cwd=tmp_path))
        assert stack.status(tmp_path / "data") is not None
        report = json_of(run_cli("report", "--json", *where, cwd=tmp_path))
        assert report["totals"] == said["totals"]
    finally:
        done = run_cli("down", *where, cwd=tmp_path)
    assert "is stopped" in done.stdout


def test_the_example_runs_as_the_readme_says(tmp_path: Path) -> None:
    """``opentelemetry-instrument python examples/agent.py``, and it is the demo's agent."""
    assert (_EXAMPLES / "agent.py").samefile(AGENT_DIR / "agent.py")
    assert (_EXAMPLES / "spanledger.toml").samefile(AGENT_DIR / "spanledger.toml")
    info = stack.start(tmp_path / "data", clickhouse_port=0, otlp_port=0, grpc_port=None)
    try:
        with MockProvider() as provider, connect(info.clickhouse_url) as warehouse:
            provider.enqueue(*CONVERSATION)
            environ = clean_environment(
                tmp_path,
                OPENAI_BASE_URL=provider.openai_base_url,
                OPENAI_API_KEY="none",
                ANTHROPIC_BASE_URL=provider.anthropic_base_url,
                ANTHROPIC_API_KEY="none",
                OTEL_EXPORTER_OTLP_ENDPOINT=info.otlp_endpoint,
                OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
                SPANLEDGER_POLICY=str(_EXAMPLES / "spanledger.toml"),
            )
            wrapper = Path(sys.executable).with_name("opentelemetry-instrument")
            done = subprocess.run(
                [wrapper, sys.executable, _EXAMPLES / "agent.py", "by-hand"],
                env=environ,
                capture_output=True,
                encoding="utf-8",
                timeout=TIMEOUT_S,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert "review: skipped. " in done.stdout
            assert "spent $0.01313635, reserved $0.00, asked $0.30459" in done.stdout
            sql = "SELECT count() AS n FROM calls WHERE session_id = {session:String}"
            assert warehouse.query(sql, session="by-hand") == [{"n": provider.calls()}]
    finally:
        stack.stop(tmp_path / "data")
