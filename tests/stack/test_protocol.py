"""ClickHouse's HTTP protocol as data."""

import base64

import pytest

from spanledger.stack._protocol import (
    RequestError,
    authorise,
    content_type,
    credentials,
    hello_block,
    native_rows,
    parse,
    status_of,
    streams,
    trailing_exception,
    url_parameters,
)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("headers", "url", "found"),
    [
        ({"x-clickhouse-user": "u", "x-clickhouse-key": "k"}, {}, ("u", "k")),
        ({"authorization": basic("u", "p:w")}, {}, ("u", "p:w")),
        ({}, {"user": "u", "password": "p"}, ("u", "p")),
        ({"x-clickhouse-key": "k", "authorization": basic("a", "b")}, {}, ("default", "k")),
        ({"authorization": "Basic ?"}, {}, ("", "")),
        ({}, {}, ("default", "")),
    ],
)
def test_credentials_come_from_three_places_in_clickhouse_s_order(
    headers: dict[str, str], url: dict[str, str], found: tuple[str, str]
) -> None:
    assert credentials(headers, url) == found


@pytest.mark.parametrize("given", [("spanledger", "wrong"), ("default", "right"), ("", "")])
def test_only_the_one_user_with_the_token_may_pass(given: tuple[str, str]) -> None:
    authorise(("spanledger", "right"), "spanledger", "right")
    with pytest.raises(RequestError) as caught:
        authorise(given, "spanledger", "right")
    assert (caught.value.code, caught.value.status) == (516, 403)


def test_settings_parameters_and_transport_options_are_told_apart() -> None:
    url = url_parameters(b"query=SELECT+1&max_threads=2&param_a=it%27s&database=d&session_id=s")
    query = parse("POST", url, {}, b"body")
    assert query.sql == b"SELECT 1"
    assert query.text == b"SELECT 1\nbody"
    assert query.settings == {"max_threads": "2"}
    assert query.params == {"a": "it's"}
    assert (query.database, query.session_id) == ("d", "s")
    assert not query.read_only


@pytest.mark.parametrize(
    ("method", "url", "read_only"),
    [
        ("GET", {}, True),
        ("POST", {}, False),
        ("POST", {"readonly": "1"}, True),
        ("POST", {"readonly": "0"}, False),
    ],
)
def test_get_and_readonly_may_only_read(method: str, url: dict[str, str], read_only: bool) -> None:
    query = parse(method, url, {}, b"SELECT 1")
    assert query.read_only is read_only
    assert "readonly" not in query.settings


def test_a_setting_must_have_the_name_of_a_setting() -> None:
    with pytest.raises(RequestError, match="is not the name"):
        parse("POST", {"max_threads = 1, x": "2"}, {}, b"SELECT 1")


def test_block_compression_is_refused_with_the_way_out() -> None:
    with pytest.raises(RequestError, match="gzip") as caught:
        parse("POST", {"decompress": "1"}, {}, b"")
    assert caught.value.status == 501


def form(*parts: tuple[str, str]) -> bytes:
    body = "".join(f"--b\r\nContent-Disposition: form-data; {p}\r\n\r\n{v}\r\n" for p, v in parts)
    return (body + "--b--\r\n").encode()


def test_a_form_carries_the_query_and_its_parameters() -> None:
    body = form(('name="query"', "SELECT {a:String}"), ('name="param_a"', "x"))
    query = parse("POST", {}, {"content-type": "multipart/form-data; boundary=b"}, body)
    assert (query.text, query.params) == (b"SELECT {a:String}", {"a": "x"})


def test_a_file_in_a_form_is_refused() -> None:
    body = form(('name="ext"; filename="ext.csv"', "1\r\n2"))
    with pytest.raises(RequestError, match="External data"):
        parse("POST", {}, {"content-type": "multipart/form-data; boundary=b"}, body)


def test_the_greeting_names_revision_0() -> None:
    block = hello_block("26.9.2.1", "UTC")
    assert block.startswith(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01")
    assert b"revision()\x06UInt32\x00\x00\x00\x00\x00" in block
    assert b"\x0826.9.2.1" in block
    assert block.endswith(b"\x03UTC")


@pytest.mark.parametrize(
    ("data", "rows"), [(b"\x02\x05", 5), (b"\x01\x80\x02", 256), (b"", None), (b"\x01\x80", None)]
)
def test_the_rows_of_a_native_block_are_read_from_its_head(data: bytes, rows: int | None) -> None:
    assert native_rows(data) == rows


def test_formats_and_errors_answer_as_clickhouse_does() -> None:
    assert streams("Native")
    assert not streams("JSON")
    assert content_type("JSONEachRow").startswith("application/json")
    assert content_type("Native") == "application/octet-stream"
    assert (status_of(62), status_of(516), status_of(60), status_of(9999)) == (400, 403, 404, 500)


def test_a_late_error_is_framed_with_its_tag_and_length() -> None:
    tag = "0123456789abcdef"
    expected = f"\r\n__exception__\r\n{tag}\r\nCode: 1. é\n12 {tag}\r\n__exception__\r\n"
    assert trailing_exception(tag, "Code: 1. é") == expected.encode()
