"""`spanledger doctor`: what it finds on disks and in the database."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from spanledger.analytics import Arrival, arrival
from spanledger.cli.checks import flow, ledger, spool, storage
from spanledger.cli.checks._result import Result
from spanledger.warehouse import Migration, connect, migrate
from tests.cli._program import clean_environment
from tests.cli.conftest import History
from tests.warehouse.conftest import with_database

#: Leaves two spans to whoever comes next: its collector is not there.
_LEAVES = """
from opentelemetry import trace
from spanledger.instrumentation import install
install()
tracer = trace.get_tracer("left")
for name in ("one", "two"):
    tracer.start_span(name).end()
"""


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name, value in clean_environment(home).items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith(("OTEL_", "SPANLEDGER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(home)


def _only(results: list[Result], status: str) -> Result:
    (found,) = results
    assert found.status == status, found
    assert found.mend or status == "ok"
    return found


# --- the spool ------------------------------------------------------------------------------


def test_spans_that_an_ended_process_left_are_found(home: Path) -> None:
    environ = {"SPANLEDGER_SPOOL_DIR": str(home / "spool")}
    subprocess.run(
        [sys.executable, "-c", _LEAVES],
        env=clean_environment(
            home, **environ, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
            OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        ),
        cwd=home,
        timeout=60,
        check=True,
        capture_output=True,
    )  # fmt: skip
    found = _only(spool.check(environ, time.time() + 600), "warn")
    assert "processes that ended (1)" in found.detail
    assert "10 min" in found.detail


def test_a_spool_without_anything_is_well(home: Path) -> None:
    assert "Nothing waits" in _only(spool.check({"SPANLEDGER_DATA_DIR": str(home)}), "ok").detail
    assert "off" in _only(spool.check({"SPANLEDGER_SPOOL": "false"}), "ok").detail


def test_a_spool_that_can_not_be_written_is_a_failure(home: Path) -> None:
    (home / "file").write_text("", encoding="utf-8")
    found = _only(spool.check({"SPANLEDGER_SPOOL_DIR": str(home / "file" / "spool")}), "fail")
    assert "is no folder" in found.detail


# --- the ledger -----------------------------------------------------------------------------


def test_a_ledger_that_can_not_be_read_is_a_failure(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = home / "ledger.sqlite"
    monkeypatch.setenv("SPANLEDGER_STORE", f"sqlite:{file}")
    _only(ledger.check(dict(os.environ)), "ok")
    assert not file.exists(), "looking must not make it"
    file.write_bytes(b"this is no database" * 500)
    assert str(file) in _only(ledger.check(dict(os.environ)), "fail").detail


def test_a_ledger_in_memory_is_said_to_be_one_process_s(home: Path) -> None:
    assert "one process" in _only(ledger.check({"SPANLEDGER_STORE": "memory"}), "ok").detail


# --- what arrives ---------------------------------------------------------------------------

_WELL = Arrival(1_000_000_000, 0, "", 0, 900, 0, "", "")


def test_a_clock_that_is_off_is_found_whichever_way() -> None:
    assert flow.clock(1000.0, 999.9, 1000.1).status == "ok"
    assert "5.00 s behind" in flow.clock(1000.0, 1005.0, 1005.5).detail
    assert "4.00 s ahead of" in flow.clock(1000.0, 995.0, 996.0).detail


def test_calls_from_the_future_and_dropped_spans_name_the_service() -> None:
    assert {flow.future(_WELL).status, flow.dropped(_WELL).status} == {"ok"}
    ahead = flow.future(replace(_WELL, ahead_calls=3, ahead_service="bot", ahead_s=7200))
    assert ahead.status == "warn"
    assert "by up to 120 min 00 s (service 'bot')" in ahead.detail
    lost = flow.dropped(replace(_WELL, dropped=12, dropped_service="bot", dropped_reason="full"))
    assert lost.status == "warn"
    assert "12 spans and records were dropped" in lost.detail
    assert "'bot' (full)" in lost.detail


@pytest.mark.storage
def test_the_database_tells_of_the_future_and_of_what_was_dropped(history: History) -> None:
    with connect(history.info.clickhouse_url) as warehouse:
        sound = arrival(warehouse)
    assert (sound.ahead_calls, sound.dropped) == (0, 0)
    assert abs(sound.server_us / 1e6 - time.time()) < 60
    assert sound.newest_s is not None
    url = with_database(history.info.clickhouse_url, "from_the_future")
    now_s = int(time.time())
    span = {
        "Timestamp": now_s + 3600,
        "TraceId": "a" * 32,
        "SpanId": "b" * 16,
        "ServiceName": "ahead",
        "SpanAttributes": {"gen_ai.operation.name": "chat", "spanledger.billing": "call"},
    }
    told = {
        "ServiceName": "loser",
        "MetricName": "spanledger.export.dropped",
        "Attributes": {"reason": "queue_full"},
        "StartTimeUnix": now_s - 60,
        "TimeUnix": now_s - 1,
        "Value": 7.0,
        "AggregationTemporality": 2,
        "IsMonotonic": True,
    }
    with connect(url) as warehouse:
        migrate(warehouse)
        warehouse.insert_json("otel_traces", json.dumps(span))
        warehouse.insert_json("otel_metrics_sum", json.dumps(told))
        found = arrival(warehouse)
    assert (found.ahead_calls, found.ahead_service) == (1, "ahead")
    assert 3500 < found.ahead_s <= 3600
    assert (found.dropped, found.dropped_service) == (7, "loser")
    assert found.dropped_reason == "queue_full"
    statuses = {result.name: result.status for result in flow.check(url, None)}
    assert statuses == {"clock": "ok", "clocks of agents": "warn", "dropped spans": "warn"}


@pytest.mark.storage
def test_a_schema_of_a_newer_release_wants_a_newer_release(history: History) -> None:
    url = with_database(history.info.clickhouse_url, "from_the_future")
    with connect(url) as warehouse:
        migrate(warehouse)
        newer = Migration(9999, "later", "SELECT 1")
        warehouse.command(
            "INSERT INTO schema_migrations (number, name, checksum, version) VALUES "
            "({number:UInt32}, {name:String}, {checksum:String}, '99')",
            number=newer.number,
            name=newer.name,
            checksum=newer.checksum,
        )
    found = {result.name: result for result in storage.check(url, None)}
    assert found["schema"].status == "fail"
    assert "pip install --upgrade spanledger" in found["schema"].mend
