"""The query port behaves as ClickHouse's HTTP interface: clickhouse-connect, and raw requests."""
# ruff: noqa: S608  # the statements are the tests' own, their table names generated

import datetime
import decimal
import gzip
import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import clickhouse_connect
import lz4.frame
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from spanledger.stack import StackInfo
from spanledger.stack._http import MAX_BODY_BYTES

pytestmark = pytest.mark.storage
Ask = Callable[..., tuple[int, dict[str, str], bytes]]

COLUMNS = {
    "id": "UInt64",
    "s": "String",
    "lc": "LowCardinality(String)",
    "t": "DateTime64(9)",
    "m": "Map(LowCardinality(String), String)",
    "a": "Array(String)",
    "n": "Nullable(Float64)",
    "d": "Decimal(18, 9)",
    "u": "UUID",
    "fs": "FixedString(16)",
    "e": "Enum8('a' = 1, 'b' = 2)",
    "tp": "Tuple(x UInt8, y String)",
    "b": "Bool",
}


def row(number: int) -> list[Any]:
    return [
        number,
        f"s{number}",
        "lc",
        datetime.datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=datetime.UTC),
        {"k": str(number)},
        ["x", "y"],
        None if number % 2 else 1.5,
        decimal.Decimal("1.250000001"),
        uuid.UUID(int=number),
        b"0123456789abcdef",
        "a",
        (1, "q"),
        True,
    ]


@pytest.fixture
def typed(client: Any, table: str) -> str:
    """A table with a column of every type we use."""
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    client.command(f"CREATE TABLE {table} ({columns}) ENGINE = MergeTree ORDER BY id")
    return table


@pytest.mark.parametrize("compress", ["lz4", "gzip", "zstd", False])
def test_fifty_thousand_rows_of_every_type_arrive_whole(
    running: StackInfo, typed: str, compress: str | bool
) -> None:
    client = clickhouse_connect.get_client(dsn=running.clickhouse_url, compress=compress)
    rows = [row(number) for number in range(50_000)]
    assert client.insert(typed, rows, list(COLUMNS)).written_rows == 50_000
    found = client.query(f"SELECT count(), uniqExact(id), sum(length(m)), sum(d) FROM {typed}")
    assert found.result_rows == [(50_000, 50_000, 50_000, decimal.Decimal("62500.00005"))]
    first = client.query(f"SELECT * EXCEPT (t, tp) FROM {typed} ORDER BY id LIMIT 2").result_rows
    assert [list(values) for values in first] == [
        [value for name, value in zip(COLUMNS, row(number), strict=True) if name not in ("t", "tp")]
        for number in (0, 1)
    ]
    nanos = client.query(f"SELECT toUnixTimestamp64Nano(t) FROM {typed} LIMIT 1").result_rows
    assert nanos == [(1767225600123456000,)]


@pytest.mark.parametrize(
    ("sql", "parameters", "expected"),
    [
        ("SELECT {a:UInt32} + 1, {b:String}", {"a": 5, "b": "it's \\ \n\t"}, (6, "it's \\ \n\t")),
        ("SELECT {a:Array(String)}", {"a": ["x", "it's"]}, (["x", "it's"],)),
        ("SELECT {a:Nullable(String)}", {"a": None}, (None,)),
        ("SELECT {a:String}", {"a": "'; DROP TABLE x; --"}, ("'; DROP TABLE x; --",)),
    ],
)
def test_parameters_are_bound_by_the_engine(
    client: Any, sql: str, parameters: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert client.query(sql, parameters=parameters).result_rows == [expected]


def test_settings_hold_for_one_request_only(client: Any) -> None:
    ask = "SELECT getSetting('max_threads')"
    default = client.query(ask).result_rows
    assert client.query(ask, settings={"max_threads": 1}).result_rows == [(1,)]
    assert client.query(ask).result_rows == default
    with pytest.raises(DatabaseError, match="UNKNOWN_SETTING"):
        client.query(ask, settings={"no_such_setting": 1})


def test_a_session_keeps_its_temporary_table_and_its_settings(running: StackInfo) -> None:
    one = clickhouse_connect.get_client(dsn=running.clickhouse_url)
    other = clickhouse_connect.get_client(dsn=running.clickhouse_url)
    one.command("CREATE TEMPORARY TABLE mine (a Int32)")
    one.command("INSERT INTO mine VALUES (7)")
    assert one.query("SELECT * FROM mine").result_rows == [(7,)]
    with pytest.raises(DatabaseError, match="mine"):
        other.query("SELECT * FROM mine")
    one.command("SET max_block_size = 77")
    assert one.query("SELECT getSetting('max_block_size')").result_rows == [(77,)]


def test_an_error_in_a_session_leaves_nothing_in_the_next_answer(running: StackInfo) -> None:
    client = clickhouse_connect.get_client(dsn=running.clickhouse_url)
    client.command("CREATE TEMPORARY TABLE mine (a Int32)")
    for _ in range(3):
        with pytest.raises(DatabaseError):
            client.raw_query("SELECT throwIf(number = 900000) FROM numbers(1000000)", fmt="JSON")
        assert client.query("SELECT 1").result_rows == [(1,)]


def test_a_million_rows_are_streamed(client: Any) -> None:
    rows = 0
    with client.query_row_block_stream(
        "SELECT number, toString(number) FROM numbers(1000000)"
    ) as blocks:
        for block in blocks:
            rows += len(block)
    assert rows == 1_000_000
    raw = client.raw_stream("SELECT number FROM numbers(1000000)", fmt="RowBinary").read()
    assert len(raw) == 8_000_000


@pytest.mark.parametrize(
    ("fmt", "data", "compression"),
    [
        ("JSONEachRow", b'{"a": 9, "b": "z"}\n', None),
        ("RowBinary", b"\x09\x00\x00\x00\x01z", None),
        ("CSV", gzip.compress(b'9,"z"\n', mtime=0), "gzip"),
        ("CSV", lz4.frame.compress(b"9,") + lz4.frame.compress(b"z\n"), "lz4"),
        ("TabSeparated", b"9\tz\n", None),
    ],
)
def test_raw_inserts_in_many_formats(
    client: Any, table: str, fmt: str, data: bytes, compression: str | None
) -> None:
    client.command(f"CREATE TABLE {table} (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    client.raw_insert(table, ["a", "b"], data, fmt=fmt, compression=compression)
    assert client.query(f"SELECT a, b FROM {table}").result_rows == [(9, "z")]


def test_values_and_selects_insert_too(client: Any, table: str) -> None:
    client.command(f"CREATE TABLE {table} (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
    client.command(f"INSERT INTO {table} VALUES (1, 'v'), (2, 'it''s')")
    client.command(f"INSERT INTO {table} SELECT number + 10, 'n' FROM numbers(10)")
    client.command(f"INSERT INTO {table} VALUES ({{a:UInt32}}, {{b:String}})", {"a": 3, "b": "p"})
    assert client.query(f"SELECT count(), sum(a) FROM {table}").result_rows == [(13, 151)]


def test_a_deduplication_token_makes_a_repeated_insert_a_no_op(client: Any, table: str) -> None:
    client.command(
        f"CREATE TABLE {table} (a UInt32) ENGINE = MergeTree ORDER BY a "
        "SETTINGS non_replicated_deduplication_window = 10"
    )
    for token in ("x", "x", "y"):
        client.insert(table, [[1]], ["a"], settings={"insert_deduplication_token": token})
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(2,)]


@pytest.fixture
def remembering(client: Any, table: str) -> str:
    """A table that knows blocks which it had before, as all tables of the schema do."""
    client.command(
        f"CREATE TABLE {table} (id UInt64, s String) ENGINE = ReplacingMergeTree ORDER BY id "
        "SETTINGS non_replicated_deduplication_window = 1000"
    )
    return table


@pytest.mark.parametrize(
    "source",
    [
        "VALUES (1, '{}')",
        "SELECT 1 AS id, '{}' AS s",
        "SELECT 1 AS id, '{}' AS s ORDER BY ALL",
        "SELECT 1 AS id, '{}' AS s SETTINGS max_threads = 1",
        'FORMAT JSONEachRow {{"id": 1, "s": "{}"}}',
    ],
)
def test_a_row_that_was_deleted_or_replaced_can_be_written_again(
    client: Any, remembering: str, source: str
) -> None:
    """The engine would take it for a repetition, answer that it is in, and drop it."""
    for text in ("a", "b", "a"):
        client.command(f"INSERT INTO {remembering} {source.format(text)}")
        found = client.query(f"SELECT s FROM {remembering} FINAL WHERE id = 1").result_rows
        assert found == [(text,)]
    client.command(f"DELETE FROM {remembering} WHERE id = 1")
    client.command(f"INSERT INTO {remembering} {source.format('a')}")
    assert client.query(f"SELECT count() FROM {remembering}").result_rows == [(1,)]


def test_whoever_asks_for_deduplication_has_it(client: Any, remembering: str) -> None:
    for settings in ({"insert_deduplicate": 1}, {"insert_deduplicate": 1}, {}):
        client.insert(remembering, [[1, "a"]], ["id", "s"], settings=settings)
    insert = f"INSERT INTO {remembering} SETTINGS insert_deduplication_token = 't'"
    for number in (2, 3):
        client.command(f"{insert} SELECT {number}, 'b'")
    rows = client.query(f"SELECT id FROM {remembering} ORDER BY id").result_rows
    assert rows == [(1,), (1,), (2,)]


def test_each_row_of_an_insert_select_is_there_when_it_is_answered(
    running: StackInfo, client: Any, remembering: str
) -> None:
    """Two hundred times, from several senders, while parts are merged and rows are deleted."""

    def write(sender: int) -> list[int]:
        own = clickhouse_connect.get_client(dsn=running.clickhouse_url)
        missing = []
        for number in range(sender, 200, 4):
            own.command(f"INSERT INTO {remembering} SELECT {number}, 'mine' ORDER BY ALL")
            look = f"SELECT count() FROM {remembering} FINAL WHERE id = {number}"
            missing += [] if own.query(look).result_rows == [(1,)] else [number]
            if not number % 20:
                own.command(f"DELETE FROM {remembering} WHERE id = {1000 + number}")
                own.command(f"OPTIMIZE TABLE {remembering} FINAL")
        return missing

    with ThreadPoolExecutor(4) as senders:
        assert list(senders.map(write, range(4))) == [[]] * 4
    assert client.query(f"SELECT count() FROM {remembering} FINAL").result_rows == [(200,)]


def test_an_insert_that_begins_with_its_with_is_run(client: Any, table: str) -> None:
    client.command(f"CREATE TABLE {table} (a UInt32) ENGINE = MergeTree ORDER BY a")
    client.command(f"WITH 7 AS seven INSERT INTO {table} SELECT seven")
    assert client.query(f"SELECT a FROM {table}").result_rows == [(7,)]


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("SELECT FROM WHERE", "SYNTAX_ERROR"),
        ("SELECT * FROM no_such_table", "UNKNOWN_TABLE"),
        ("SELECT {a:UInt8}", "UNKNOWN_QUERY_PARAMETER"),
    ],
)
def test_errors_carry_clickhouse_s_code(client: Any, sql: str, match: str) -> None:
    with pytest.raises(DatabaseError, match=match):
        client.query(sql)


def test_an_error_in_the_middle_of_an_answer_is_an_error(client: Any) -> None:
    with pytest.raises(DatabaseError, match="throwIf"):
        client.query("SELECT throwIf(number = 900000) FROM numbers(1000000)")
    assert client.query("SELECT 1").result_rows == [(1,)]


def test_describe_show_and_explain_answer(client: Any, typed: str) -> None:
    assert len(client.query(f"DESCRIBE TABLE {typed}").result_rows) == len(COLUMNS)
    assert (typed,) in client.query("SHOW TABLES").result_rows
    assert client.command(f"EXISTS TABLE {typed}") == 1
    assert client.query("EXPLAIN SELECT 1").result_rows
    assert client.query("WITH 1 AS x SELECT x").result_rows == [(1,)]
    assert client.query("SELECT 1 WHERE 0").result_rows == []


def test_many_clients_at_once_are_all_answered(running: StackInfo) -> None:
    answers: list[int] = []

    def work(number: int) -> None:
        client = clickhouse_connect.get_client(dsn=running.clickhouse_url)
        query = f"SELECT {number} + sleep(0.001)"
        answers.extend(client.query(query).result_rows[0][0] for _ in range(5))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == sorted(number for number in range(20) for _ in range(5))


def test_answers_do_not_wait_for_the_network_s_timers(client: Any) -> None:
    """An unset TCP_NODELAY costs 40 ms a query; the fastest of many is far below that."""

    def ask_s() -> float:
        began = time.perf_counter()
        client.query("SELECT 1")
        return time.perf_counter() - began

    assert min(ask_s() for _ in range(20)) < 0.03


def test_a_wrong_or_missing_token_is_refused(running: StackInfo, ask: Ask) -> None:
    for token in ("wrong", None):
        status, headers, body = ask(b"SELECT 1", token=token)
        assert (status, headers["x-clickhouse-exception-code"]) == (403, "516")
        assert b"AUTHENTICATION_FAILED" in body
    with pytest.raises(DatabaseError, match="516"):
        clickhouse_connect.get_client(
            dsn=running.clickhouse_url.replace("spanledger:", "spanledger:x")
        )


def test_requests_of_web_pages_are_refused_even_with_the_token(ask: Ask) -> None:
    for path in ("/", "/ping", "/health"):
        status, _, body = ask(b"SELECT 1", headers={"Origin": "http://localhost:8123"}, path=path)
        assert status == 403
        assert b"web pages" in body


def test_ping_and_health_need_no_token(ask: Ask) -> None:
    assert ask(method="GET", path="/ping", token=None)[::2] == (200, b"Ok.\n")
    status, _, body = ask(method="GET", path="/health", token=None)
    assert status == 200
    assert json.loads(body)["service"] == "spanledger"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT file('/etc/passwd')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'CSV', 'a String')",
        "SELECT * FROM remote('127.0.0.1', 'system.one')",
        "SELECT * FROM filesystem('/etc')",
        "SELECT * FROM sqlite('/etc/passwd', 't')",
        "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
        "SELECT arrayMap(file, ['/etc/passwd'])",
        "INSERT INTO FUNCTION file('/tmp/x', 'CSV', 'a UInt8') SELECT 1",
        "INSERT INTO FUNCTION file('/tmp/x', 'CSV', 'a UInt8') VALUES (1)",
        "SELECT 1 INTO OUTFILE '/tmp/x'",
        "INSERT INTO otel_logs FROM INFILE '/etc/passwd' FORMAT CSV",
        "WITH 1 AS x INSERT INTO otel_logs FROM INFILE '/etc/passwd' FORMAT CSV",
        "SYSTEM SHUTDOWN",
        "SYSTEM KILL",
        "SYSTEM STOP LISTEN HTTP",
        "CREATE TABLE outside (a String) ENGINE = File(CSV)",
        "CREATE TABLE outside (a String) ENGINE = URL('http://127.0.0.1:1/', 'CSV')",
        "CREATE USER mallory",
        "GRANT ALL ON *.* TO default",
        "ATTACH TABLE x UUID '00000000-0000-0000-0000-000000000001'",
        "BACKUP TABLE otel_logs TO File('/tmp/x')",
        "CREATE FUNCTION f AS (x) -> x",
    ],
)
def test_what_reaches_outside_the_database_is_refused(ask: Ask, sql: str) -> None:
    status, headers, body = ask(sql.encode())
    assert status in (400, 403, 404, 500), body
    assert headers["x-clickhouse-exception-code"] in ("497", "62"), body
    assert b"root:" not in body


def test_an_identifier_parameter_does_not_open_a_file(ask: Ask) -> None:
    sql = b"SELECT arrayMap({f:Identifier}, ['/etc/passwd'])"
    status, _, body = ask(sql, {"param_f": "file"})
    assert (status, b"root:" in body) == (403, False)


def test_get_and_readonly_requests_do_not_change_anything(ask: Ask, table: str) -> None:
    create = f"CREATE TABLE {table} (a Int32) ENGINE = Memory"
    for method, parameters in (("GET", {}), ("POST", {"readonly": "1"})):
        status, headers, _ = ask(parameters={"query": create, **parameters}, method=method)
        assert (status, headers["x-clickhouse-exception-code"]) == (500, "164")
    assert ask(parameters={"query": "SELECT 1"}, method="GET")[::2] == (200, b"1\n")


def test_several_statements_in_one_request_are_refused(ask: Ask) -> None:
    status, headers, _ = ask(b"SELECT 1; SELECT 2")
    assert (status, headers["x-clickhouse-exception-code"]) == (400, "62")


def test_statement_in_the_url_and_data_in_the_body(ask: Ask, table: str) -> None:
    ask(f"CREATE TABLE {table} (a UInt32) ENGINE = MergeTree ORDER BY a".encode())
    status, headers, _ = ask(b"1\n2\n", {"query": f"INSERT INTO {table} FORMAT CSV"})
    assert (status, json.loads(headers["x-clickhouse-summary"])["written_rows"]) == (200, "2")
    assert ask(f"SELECT sum(a) FROM {table} FORMAT JSONEachRow".encode())[2] == b'{"sum(a)":3}\n'


def test_a_native_body_that_is_cut_off_writes_nothing(ask: Ask, table: str) -> None:
    ask(f"CREATE TABLE {table} (a UInt32) ENGINE = MergeTree ORDER BY a".encode())
    block = b"\x01\x0d\x01a\x06UInt32" + bytes(13 * 4)
    insert = f"INSERT INTO {table} FORMAT Native\n".encode()
    assert ask(insert + block[:-2])[0] != 200
    assert ask(f"SELECT count() FROM {table}".encode())[2] == b"0\n"
    # 13 columns' worth of trap: a first byte that looks like white space belongs to the data.
    assert ask(insert + block)[0] == 200
    assert ask(f"SELECT count() FROM {table}".encode())[2] == b"13\n"


def test_the_greeting_of_the_go_client_is_answered_in_its_own_encoding(ask: Ask) -> None:
    hello = b"SELECT displayName(), version(), revision(), timezone()"
    parameters = {"client_protocol_version": "54460", "default_format": "Native"}
    status, headers, body = ask(hello, parameters)
    assert (status, headers["x-clickhouse-format"]) == (200, "Native")
    assert body.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01")


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
def test_answers_are_compressed_as_the_client_accepts(ask: Ask, encoding: str) -> None:
    unpack = {"gzip": gzip.decompress, "lz4": lz4.frame.decompress}[encoding]
    for fmt, expected in (("TSV", b"0\n1\n"), ("TSVWithNames", b"number\n0\n1\n")):
        _, headers, body = ask(
            b"SELECT number FROM numbers(2)", {"default_format": fmt}, {"Accept-Encoding": encoding}
        )
        assert headers["content-encoding"] == encoding
        assert unpack(body) == expected


def test_a_damaged_or_unknown_encoding_is_a_clear_error(ask: Ask) -> None:
    for encoding in ("gzip", "br"):
        status, _, body = ask(b"SELECT 1", headers={"Content-Encoding": encoding})
        assert status == 400
        assert encoding.encode() in body


def test_a_request_beyond_the_limit_is_refused(ask: Ask) -> None:
    big = gzip.compress(bytes(MAX_BODY_BYTES + 1), 1)
    status, _, body = ask(big, headers={"Content-Encoding": "gzip"})
    assert (status, b"smaller" in body) == (413, True)


def test_a_query_id_can_not_forge_a_header(ask: Ask) -> None:
    _, headers, _ = ask(b"SELECT 1", {"query_id": "a\r\nX-Forged: 1"})
    assert headers["x-clickhouse-query-id"] == "a__X-Forged:_1"
    assert "x-forged" not in headers


def test_external_data_is_refused_with_a_sentence(ask: Ask) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="ext"; filename="e.csv"\r\n\r\n1\r\n--b--\r\n'
    )
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    status, _, answer = ask(body, {"query": "SELECT * FROM ext"}, kind)
    assert status == 501
    assert b"External data" in answer
