"""The client over ClickHouse's HTTP interface."""

import socket
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanledger.warehouse import (
    AccessDenied,
    DriverMissing,
    InvalidStatement,
    NotMigrated,
    QueryFailed,
    Warehouse,
    WarehouseUnreachable,
    connect,
    read_sql,
)
from tests._engines import ClickHouseServer
from tests._ports import free_port
from tests.warehouse._rows import LOG_COLUMNS, NOON, call, insert_spans

pytestmark = pytest.mark.storage

INJECTIONS = [
    "'; DROP TABLE llm_calls --", "\\'; SELECT 1 --", "a\\", "\\N", "\t\n\r\0", "{x:String}",
    "%(x)s", "%s", "NULL", "", "\U0001f4b8", "`\"'", "1 OR 1=1",
]  # fmt: skip


def test_a_parameter_is_a_value_and_never_a_part_of_the_statement(warehouse: Warehouse) -> None:
    insert_spans(warehouse, [call(AGENT_NAME="planner")])
    for text in INJECTIONS:
        assert warehouse.query("SELECT {x:String} AS x", x=text) == [{"x": text}]
        found = warehouse.query("SELECT count() AS n FROM calls WHERE agent = {x:String}", x=text)
        assert found == [{"n": 0}]
    assert warehouse.query("SELECT count() AS n FROM calls") == [{"n": 1}]


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(st.characters(codec="utf-8"), max_size=50))
def test_any_text_comes_back_as_it_went(warehouse: Warehouse, text: str) -> None:
    assert warehouse.query("SELECT {x:String} AS x", x=text) == [{"x": text}]


def test_parameters_of_other_types_are_bound_by_the_server(warehouse: Warehouse) -> None:
    row = warehouse.query(
        "SELECT {n:UInt64} AS n, {at:DateTime64(6, 'UTC')} AS at, {names:Array(String)} AS names, "
        "{none:Nullable(String)} AS none",
        n=2**63,
        at=NOON,
        names=["a'b", "c"],
        none=None,
    )
    expected = {"n": 2**63, "at": NOON.replace(tzinfo=None), "names": ["a'b", "c"], "none": None}
    assert row == [expected]


def test_values_that_would_not_be_bound_by_the_server_are_refused(warehouse: Warehouse) -> None:
    unfit: list[tuple[str, dict[str, str]]] = [
        ("SELECT {x:String}", {}),
        ("SELECT 1", {"x": "1"}),
        ("SELECT %(x)s", {"x": "1"}),
        ("SELECT {x:String}", {"x": "1", "y": "2"}),
    ]
    for sql, parameters in unfit:
        with pytest.raises(InvalidStatement, match="parameters do not fit"):
            warehouse.query(sql, **parameters)


def test_percent_signs_are_left_alone(warehouse: Warehouse) -> None:
    assert warehouse.query("SELECT '100%s %(x)s' AS x") == [{"x": "100%s %(x)s"}]


def test_no_rows_written_is_nothing_sent(warehouse: Warehouse) -> None:
    warehouse.insert("otel_logs", LOG_COLUMNS, [])
    assert warehouse.query("SELECT count() AS n FROM otel_logs") == [{"n": 0}]


def test_a_tracer_sees_every_statement_before_it_is_sent(warehouse_url: str) -> None:
    seen: list[tuple[str, Mapping[str, object]]] = []
    with connect(warehouse_url, tracer=lambda *statement: seen.append(statement)) as warehouse:
        warehouse.command(
            "CREATE DATABASE {db:Identifier}", use_database=False, db=warehouse.database
        )
        with pytest.raises(NotMigrated):
            warehouse.query("SELECT * FROM nothing WHERE a = {a:UInt8}", a=1)
    assert [sql.split()[0] for sql, _ in seen] == ["CREATE", "SELECT"]
    assert seen[1][1] == {"a": 1}


def test_inserts_are_synchronous_and_spell_out_their_deduplication(warehouse_url: str) -> None:
    seen: list[Mapping[str, object]] = []
    with (
        connect(warehouse_url, tracer=lambda _, values: seen.append(values)) as warehouse,
        pytest.raises(NotMigrated),
    ):
        warehouse.insert("otel_logs", ["Body"], [["x"]], deduplication_token="t1")
    assert seen == [
        {
            "async_insert": 0,
            "insert_deduplicate": 1,
            "deduplicate_blocks_in_dependent_materialized_views": 1,
            "max_partitions_per_insert_block": 0,
            "insert_deduplication_token": "t1",
        }
    ]


def test_one_warehouse_serves_many_threads(warehouse: Warehouse) -> None:
    def work(number: int) -> object:
        insert_spans(warehouse, [call(number)])
        return warehouse.query("SELECT {n:UInt32} AS n", n=number)[0]["n"]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(1, 41))) == list(range(1, 41))
    assert warehouse.query("SELECT count() AS n FROM calls") == [{"n": 40}]


def test_a_broken_statement_names_the_trouble_and_its_code(warehouse: Warehouse) -> None:
    with pytest.raises(QueryFailed, match="Syntax error") as failed:
        warehouse.query("SELEC 1")
    assert failed.value.code == 62
    assert "\n" not in str(failed.value)


def test_an_error_in_the_middle_of_a_result_is_an_error(warehouse: Warehouse) -> None:
    with pytest.raises(QueryFailed):
        warehouse.query("SELECT throwIf(number = 900000) FROM numbers(1000000)")


def test_a_wrong_password_says_so_without_repeating_it(server: ClickHouseServer) -> None:
    url = f"http://{server.user}:hunter2@127.0.0.1:{server.http_port}/db"
    with pytest.raises(AccessDenied, match="refuses user 'spanledger'") as refused:
        connect(url)
    assert "hunter2" not in str(refused.value)


def test_what_a_user_may_not_do_is_named(server: ClickHouseServer) -> None:
    with connect(server.url()) as admin:
        admin.command("CREATE USER reader IDENTIFIED BY 'r'", use_database=False)
    with (
        connect(f"http://reader:r@127.0.0.1:{server.http_port}/db") as reader,
        pytest.raises(AccessDenied, match="Not enough privileges"),
    ):
        reader.command("CREATE DATABASE forbidden", use_database=False)


def test_a_port_where_nobody_listens_says_what_to_start() -> None:
    with pytest.raises(WarehouseUnreachable, match="spanledger up"):
        connect(f"http://127.0.0.1:{free_port()}/db")


def test_a_name_that_does_not_exist_is_unreachable() -> None:
    with pytest.raises(WarehouseUnreachable, match="no ClickHouse answers"):
        connect("http://no-such-host.invalid:8123/db")


class _NoClickHouse(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(404)
        self.end_headers()
        self.wfile.write(b"<html>a web server</html>")

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_another_web_server_is_not_taken_for_clickhouse() -> None:
    web = HTTPServer(("127.0.0.1", 0), _NoClickHouse)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    try:
        with pytest.raises(WarehouseUnreachable, match="no ClickHouse answers"):
            connect(f"http://127.0.0.1:{web.server_port}/db")
    finally:
        web.shutdown()
        web.server_close()


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        with pytest.raises(WarehouseUnreachable):
            connect(f"http://127.0.0.1:{port}/db", timeout_s=1)


def test_without_the_driver_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "clickhouse_connect", None)
    with pytest.raises(DriverMissing, match=r"pip install 'spanledger\[cli\]'"):
        connect("http://localhost/db")


def test_sql_files_are_read_from_packages() -> None:
    assert "schema_migrations" in read_sql("spanledger.warehouse", "schema/bootstrap.sql")
    with pytest.raises(FileNotFoundError):
        read_sql("spanledger.warehouse", "schema/none.sql")
