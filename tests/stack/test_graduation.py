"""From the local stack to a real server: the 25.8 of the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger import stack
from spanledger.stack import GraduationFailed, TargetNotEmpty, graduation
from spanledger.stack.graduation import graduate
from spanledger.warehouse import connect
from tests._engines import ClickHouseServer, EngineUnavailable
from tests.stack.test_backups import cost, filled

pytestmark = pytest.mark.storage


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A server of the test's own."""
    server = ClickHouseServer(tmp_path / "server")
    try:
        server.start()
    except EngineUnavailable as error:
        pytest.skip(str(error))
    yield server
    server.stop()


def rows(url: str, table: str) -> int:
    with connect(url) as warehouse:
        return int(warehouse.query(f"SELECT count() AS n FROM {table}")[0]["n"])  # noqa: S608 - ours


def test_everything_is_at_the_server_once_and_costs_the_same(
    data_dir: Path, server: ClickHouseServer
) -> None:
    info = filled(data_dir)
    done = graduate(server.url(), data_dir)
    assert (done.calls, done.cost_nano_usd, done.rows["otel_traces"]) == (30, 330, 30)
    for table in ("otel_traces", "otel_traces_trace_id_ts", "llm_calls"):
        assert rows(server.url(), table) == rows(info.clickhouse_url, table)
    with connect(server.url()) as warehouse:
        left = warehouse.query("SELECT name FROM system.tables WHERE name LIKE '%graduating'")
        costs = warehouse.query("SELECT sum(cost_usd) * 1000000000 AS c FROM calls")
    assert left == []
    assert int(costs[0]["c"]) == 330
    assert cost(info) == (30, 330)
    assert filled(data_dir, 1) == info


def test_running_it_again_changes_nothing(data_dir: Path, server: ClickHouseServer) -> None:
    filled(data_dir)
    first = graduate(server.url(), data_dir)
    assert graduate(server.url(), data_dir) == first


@pytest.mark.parametrize(
    ("step", "after"),
    [("_stream", 1), ("_move", 0), ("_move", 2), ("_note", 0), ("_note", 1), ("_note", 2)],
)
def test_an_interrupted_copy_goes_on_where_it_was(
    data_dir: Path,
    server: ClickHouseServer,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    after: int,
) -> None:
    filled(data_dir)
    real, calls = getattr(graduation._Copy, step), [0]

    def breaks(self: object, *arguments: object) -> None:
        calls[0] += 1
        if calls[0] > after:
            raise GraduationFailed("the network went away")
        real(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(graduation._Copy, step, breaks)
        with pytest.raises(GraduationFailed, match="went away"):
            graduate(server.url(), data_dir)
    assert graduate(server.url(), data_dir).cost_nano_usd == 330
    assert rows(server.url(), "otel_traces") == 30


def test_a_server_with_other_rows_is_refused(data_dir: Path, server: ClickHouseServer) -> None:
    info = filled(data_dir)
    graduate(server.url(), data_dir)
    stack.stop(info.data_dir)
    other = data_dir.with_name("other")
    try:
        filled(other)
        with pytest.raises(TargetNotEmpty, match="another origin"):
            graduate(server.url(), other)
    finally:
        stack.stop(other)


def test_rows_that_came_after_an_unfinished_copy_are_noticed(
    data_dir: Path, server: ClickHouseServer
) -> None:
    filled(data_dir)
    graduate(server.url(), data_dir)
    filled(data_dir, 3)
    with pytest.raises(GraduationFailed, match="has 33 now"):
        graduate(server.url(), data_dir)
