"""What has had its time goes by itself."""

import time
from pathlib import Path
from typing import Any

import pytest

from spanledger.stack._files import shorten


@pytest.mark.storage
def test_the_engine_drops_what_is_older_than_its_table_keeps(client: Any, table: str) -> None:
    client.command(
        f"CREATE TABLE {table} (at DateTime, n UInt8) ENGINE = MergeTree PARTITION BY toDate(at) "
        "ORDER BY n TTL at + INTERVAL 1 DAY SETTINGS ttl_only_drop_parts = 1, "
        "merge_with_ttl_timeout = 1"
    )
    client.command(f"INSERT INTO {table} SELECT now() - INTERVAL 3 DAY, 1")
    client.command(f"INSERT INTO {table} SELECT now(), 2")
    deadline = time.monotonic() + 60
    while client.query(f"SELECT n FROM {table}").result_rows != [(2,)]:  # noqa: S608 - ours
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_log_that_grew_too_long_keeps_its_last_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    with log.open("a") as writer:
        shorten(log, limit_bytes=1000)
        writer.write("after\n")
    lines = log.read_text().splitlines()
    assert lines[-2:] == ["line 999", "after"]
    assert all(line.startswith("line ") for line in lines[:-1])
    assert log.stat().st_size < 600


def test_a_short_log_stays_as_it_is(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    log.write_text("short\n")
    shorten(log)
    shorten(tmp_path / "none")
    assert log.read_text() == "short\n"
