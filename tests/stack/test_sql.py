"""Reading statements: where data begins, which format answers, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.stack._sql import (
    first_word,
    forbidden_identifier,
    insert_head,
    makes_temporary,
    output_format,
    reading_from,
    refusal,
    tokens,
)


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("select 1", "SELECT"),
        ("  -- note\n/* more */ # x\n// y\n(SELECT 1)", "SELECT"),
        ("", ""),
        ("'select'", ""),
        ("WITH 1 AS x INSERT INTO t SELECT x", "INSERT"),
        ("WITH 1 AS x SELECT x FROM (SELECT 2 AS insert)", "WITH"),
    ],
)
def test_the_first_word_is_found_behind_comments_and_brackets(sql: str, word: str) -> None:
    assert first_word(sql) == word


@pytest.mark.parametrize(
    ("text", "statement", "fmt", "data"),
    [
        ("INSERT INTO t FORMAT Native\n\r\x01x", "INSERT INTO t ", "Native", "\r\x01x"),
        ("INSERT INTO t FORMAT Native\n\n\x01", "INSERT INTO t ", "Native", "\n\x01"),
        (
            "insert into t (a, `format`) values (1,2)",
            "insert into t (a, `format`) ",
            "Values",
            " (1,2)",
        ),
        (
            "INSERT INTO t SETTINGS a='FORMAT x' FORMAT CSV ;\n1,2",
            "INSERT INTO t SETTINGS a='FORMAT x' ",
            "CSV",
            "1,2",
        ),
        ("INSERT /* FORMAT a */ INTO t FORMAT TSV", "INSERT /* FORMAT a */ INTO t ", "TSV", ""),
    ],
)
def test_an_insert_is_split_exactly_where_its_data_begins(
    text: str, statement: str, fmt: str, data: str
) -> None:
    head = insert_head(text)
    assert head is not None
    assert (head.statement, head.format, text[head.data_start :]) == (statement, fmt, data)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t SELECT 1",
        "INSERT INTO t WITH 1 AS x SELECT x",
        "INSERT INTO t FROM INFILE 'x'",
        "INSERT INTO t",
        "INSERT INTO t FORMAT",
    ],
)
def test_an_insert_without_data_of_its_own_is_not_split(sql: str) -> None:
    assert insert_head(sql) is None


@given(st.binary(max_size=50))
def test_binary_data_after_the_format_survives_whole(data: bytes) -> None:
    text = (b"INSERT INTO t FORMAT RowBinary\n") + data
    head = insert_head(text.decode("latin-1"))
    assert head is not None
    assert text[head.data_start :] == data


@pytest.mark.parametrize(
    ("sql", "fmt"),
    [
        ("SELECT 1", None),
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 1 format TSV settings max_threads = 1", "TSV"),
        ("SELECT (SELECT 1 FORMAT CSV) FORMAT Native", "Native"),
        ("SELECT 'a FORMAT b' AS format", None),
    ],
)
def test_the_output_format_is_the_last_one_outside_brackets_and_strings(
    sql: str, fmt: str | None
) -> None:
    assert output_format(sql) == fmt


FORBIDDEN = [
    "SELECT file('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT `fi\\x6ce`('/etc/passwd')",
    "SELECT /* a */ file /* b */ ('/etc/passwd')",
    "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
    "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
    "SELECT arrayMap(file, ['/etc/passwd'])",
    "SELECT * FROM view(SELECT file('/etc/passwd'))",
    "SELECT 1 // ' \n, file('/etc/passwd') -- '",
    "SELECT 1 # ' \n, file('/etc/passwd') -- '",
    "SELECT /* /* */ ' */ file('/etc/passwd') /* ' */",
    "SELECT $$'$$, file('/etc/passwd') -- '",
    "SELECT 1 AS a$x$, file('/etc/passwd'), 2 AS b$x$",
    "SELECT \u2018'\u2019, file('/etc/passwd') -- '",
    "SELECT \u201cfile\u201d('/etc/passwd')",
    "SELECT 'not closed, file('/etc/passwd')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM executable('x', 'CSV', 'a int')",
    "SELECT * FROM python(x)",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(HTTP(url 'http://x')) LAYOUT(FLAT())",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(QUERY 'SELECT file(1)'))",
    "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(QUERY 'SELECT fi\\x6ce(1)'))",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SELECT 1 INTO /* x */ OUTFILE '/tmp/x'",
    "INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
    "WITH 1 AS x INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV",
    "SET param_f = 'file'",
    "SELECT 1 SETTINGS output_format_schema = 'x'",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_what_reaches_outside_the_database_is_refused(sql: str) -> None:
    assert refusal(sql, "READ_ONLY", 1)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'file', SpanAttributes['file'] FROM otel_traces -- file('x')",
        "SELECT count() FROM system.parts",
        "INSERT INTO infile SELECT 1",
        "CREATE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(TABLE 'prices'))",
        "SELECT 'it''s', 'a\\'b', \"x\", `y` FROM t /* ' */",
    ],
)
def test_ordinary_statements_are_not_refused(sql: str) -> None:
    assert refusal(sql, "READ_ONLY", 1) is None


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH TABLE x",
        "BACKUP TABLE t TO File('x')",
        "EXECUTE AS x SELECT 1",
        "INSERT INTO FUNCTION url('x') SELECT 1",
    ],
)
def test_control_statements_are_refused_unless_a_session_needs_them(sql: str) -> None:
    assert refusal(sql, "CONTROL", 1)
    assert refusal("SET max_threads = 1", "CONTROL", 1) is None
    assert refusal("DELETE FROM memories WHERE id = '1'", "CONTROL", 1) is None
    assert refusal("OPTIMIZE TABLE memories FINAL", "CONTROL", 1) is None


def test_several_statements_and_global_changes_are_refused() -> None:
    assert refusal("SELECT 1; SELECT 2", "READ_ONLY", 2)
    assert refusal("GRANT ALL ON *.* TO x", "MUTATING_GLOBAL", 1)


@pytest.mark.parametrize("value", ["file", "`file`", '"file"', "fi\\x6ce", "eval"])
def test_an_identifier_parameter_can_not_smuggle_a_function(value: str) -> None:
    assert forbidden_identifier(value)
    assert not forbidden_identifier("otel_traces")


def test_temporary_tables_are_recognised() -> None:
    assert makes_temporary("create /* x */ temporary table t (a int)")
    assert makes_temporary("CREATE OR REPLACE TEMPORARY TABLE t (a int)")
    assert not makes_temporary("CREATE TABLE t (a int)")


@given(st.text(max_size=80))
def test_lexing_never_fails_and_covers_the_text_in_order(sql: str) -> None:
    ends = [0]
    for token in tokens(sql):
        assert token.start >= ends[-1]
        assert sql[token.start : token.end] == token.text
        ends.append(token.end)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("INSERT INTO t (a)", "INSERT INTO t (a) FROM INFILE 'p' COMPRESSION 'none' "),
        (
            "INSERT INTO t (a) SETTINGS x = 1, y = 's'",
            "INSERT INTO t (a) FROM INFILE 'p' COMPRESSION 'none' SETTINGS x = 1, y = 's'",
        ),
        ("INSERT INTO settings", "INSERT INTO settings FROM INFILE 'p' COMPRESSION 'none' "),
        (
            "INSERT INTO t (settings, b)",
            "INSERT INTO t (settings, b) FROM INFILE 'p' COMPRESSION 'none' ",
        ),
        (
            "INSERT INTO settings (`SETTINGS x = 1`) settings a=2 ",
            "INSERT INTO settings (`SETTINGS x = 1`) FROM INFILE 'p' COMPRESSION 'none' "
            "settings a=2 ",
        ),
    ],
)
def test_the_data_of_an_insert_is_named_before_its_settings(head: str, expected: str) -> None:
    assert reading_from(head, "p") == expected
