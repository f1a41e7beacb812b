"""The test server itself is what it claims to be."""

import os
import sys
from pathlib import Path

import pytest

from spanledger.warehouse import connect
from tests import _engines
from tests._engines import ClickHouseServer, EngineUnavailable

pytestmark = pytest.mark.storage


def test_the_server_is_a_clickhouse_25_8_with_native_tcp(server: ClickHouseServer) -> None:
    with connect(server.url()) as warehouse:
        assert warehouse.server_version.startswith(_engines.ENGINE_VERSION)
    assert _engines.accepts_connections(server.tcp_port)


def test_a_stopped_server_leaves_no_process(tmp_path: Path) -> None:
    try:
        server = ClickHouseServer(tmp_path).start()
    except EngineUnavailable as reason:
        pytest.skip(str(reason))
    pid = server.pid
    server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_off_linux_the_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(EngineUnavailable, match="for Linux, this is darwin"):
        _engines.server_library()
