"""kill -9 of the agent and of the daemon, and replies that get lost: every call counts once."""

import os
import signal
import subprocess
import time
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from spanledger import stack
from spanledger.stack import StackInfo
from spanledger.testing.otlp_server import LostReply
from spanledger.testing.providers import MockProvider, Reply, UsageSpec
from spanledger.testing.proxy import FaultProxy
from spanledger.warehouse import Warehouse, connect
from tests.e2e.conftest import RunAgent

#: 1000 × 0.15 $/M in and 100 × 0.60 $/M out.
_COST_USD = Decimal("0.00021")
_REPLY = Reply(text="yes", usage=UsageSpec(input_tokens=1000, output_tokens=100))

Popen = subprocess.Popen[str]

_FAST = {"SPANLEDGER_EXPORT_INTERVAL_S": "0.05"}
_TIMEOUT_S = 120.0


def _read_lines(process: subprocess.Popen[str], count: int) -> list[int]:
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)]


def _stored(warehouse: Warehouse) -> dict[str, Decimal]:
    rows = warehouse.query(
        "SELECT session_id, cost_usd FROM calls WHERE startsWith(session_id, 'busy-')"
    )
    by_session = {row["session_id"]: row["cost_usd"] for row in rows}
    assert len(by_session) == len(rows), "a call is in the store twice"
    return by_session


def _assert_all_stored(warehouse: Warehouse, calls: int) -> None:
    stored = _stored(warehouse)
    assert stored.keys() == {f"busy-{number}" for number in range(calls)}
    assert sum(stored.values()) == calls * _COST_USD


def _wait_until_stored(warehouse: Warehouse, calls: int, following: Popen) -> None:
    """What an agent had to leave on disk is sent by the one that follows."""
    end = time.monotonic() + _TIMEOUT_S
    try:
        while len(_stored(warehouse)) < calls and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        following.communicate(timeout=_TIMEOUT_S)
    _assert_all_stored(warehouse, calls)


def test_what_was_acknowledged_survives_a_kill_of_the_agent(
    tmp_path: Path, provider: MockProvider, run_agent: RunAgent
) -> None:
    provider.on("gpt-4o-mini", _REPLY)
    info = stack.start(tmp_path / "data", clickhouse_port=0, otlp_port=0, grpc_port=None)
    try:
        agent = run_agent("agent_busy.py", "1000", "0.01", endpoint=info.otlp_endpoint, env=_FAST)
        delivered = _read_lines(agent, 120)[-1]
        agent.kill()
        agent.wait()
        with connect(info.clickhouse_url) as warehouse:
            stored = _stored(warehouse)
            # A call has three spans (session, agent, call), and they arrive in that order's end.
            assert 0 < delivered // 3 <= len(stored) <= provider.calls()
            assert set(stored.values()) == {_COST_USD}
    finally:
        stack.stop(tmp_path / "data")


def test_every_call_arrives_once_although_the_daemon_is_killed_in_between(
    tmp_path: Path, provider: MockProvider, run_agent: RunAgent
) -> None:
    provider.on("gpt-4o-mini", _REPLY)
    data_dir, calls = tmp_path / "data", 150
    info = stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    try:
        agent = run_agent(
            "agent_busy.py", str(calls), "0.02", endpoint=info.otlp_endpoint, env=_FAST
        )
        _read_lines(agent, 40)
        os.kill(info.pid, signal.SIGKILL)
        _read_lines(agent, 20)
        again = _restart(data_dir, info)
        assert again.pid != info.pid
        agent.communicate(timeout=_TIMEOUT_S)
        assert agent.returncode == 0
        following = run_agent("agent_next.py", endpoint=again.otlp_endpoint, env=_FAST)
        with connect(again.clickhouse_url) as warehouse:
            _wait_until_stored(warehouse, calls, following)
    finally:
        stack.stop(data_dir)


def _restart(data_dir: Path, info: StackInfo) -> StackInfo:
    """The same stack on the same ports."""
    otlp, clickhouse = urlsplit(info.otlp_endpoint).port, urlsplit(info.clickhouse_url).port
    assert otlp is not None
    assert clickhouse is not None
    return stack.start(data_dir, clickhouse_port=clickhouse, otlp_port=otlp, grpc_port=None)


def test_no_call_is_billed_twice_when_replies_are_lost_and_batches_form_anew(
    tmp_path: Path, provider: MockProvider, run_agent: RunAgent
) -> None:
    provider.on("gpt-4o-mini", _REPLY)
    data_dir, calls = tmp_path / "data", 60
    info = stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=None)
    try:
        with FaultProxy(info.otlp_endpoint) as proxy:
            proxy.enqueue(LostReply(), LostReply(), LostReply())
            agent = run_agent(
                "agent_busy.py", str(calls), "0.03", endpoint=proxy.endpoint, env=_FAST
            )
            agent.communicate(timeout=_TIMEOUT_S)
            assert agent.returncode == 0
            following = run_agent("agent_next.py", endpoint=proxy.endpoint, env=_FAST)
            with connect(info.clickhouse_url) as warehouse:
                _wait_until_stored(warehouse, calls, following)
            assert proxy.forwarded > 3
        with connect(info.clickhouse_url) as warehouse:
            [landed] = warehouse.query(
                "SELECT count() AS spans, uniqExact(TraceId, SpanId) AS single FROM otel_traces"
            )
            # The landing table did get spans twice: the retries were other batches.
            assert landed["spans"] > landed["single"]
    finally:
        stack.stop(data_dir)
