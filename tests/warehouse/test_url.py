"""The address of a warehouse."""

import pytest

from spanledger.warehouse import Address, InvalidUrl, connect, parse_url


def test_a_full_url_is_read_with_its_escapes() -> None:
    address = parse_url("https://ada:p%40ss%2Fw@ch.example:9440/my_db")
    assert address == Address("ch.example", 9440, "ada", "p@ss/w", "my_db", secure=True)


@pytest.mark.parametrize(("scheme", "port"), [("http", 8123), ("https", 8443)])
def test_what_a_url_leaves_out_gets_its_default(scheme: str, port: int) -> None:
    address = parse_url(f"{scheme}://localhost")
    assert (address.user, address.password, address.database) == ("default", "", "spanledger")
    assert address.port == port


def test_the_password_is_in_no_text_of_an_address() -> None:
    address = parse_url("http://ada:hunter2@localhost/db")
    assert "hunter2" not in str(address) + repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse://localhost:9000/db",
        "localhost:8123",
        "http://",
        "http:///db",
        "http://localhost:eighty/db",
        "http://localhost:99999/db",
        "http://localhost/db/table",
        "http://localhost/db?secure=1",
        "http://[::1/db",
        "",
    ],
)
def test_another_url_is_refused_with_the_form_that_is_wanted(url: str) -> None:
    with pytest.raises(InvalidUrl, match="http://user:password@host:8123/database"):
        parse_url(url)


def test_a_refused_url_is_not_repeated_with_its_password() -> None:
    with pytest.raises(InvalidUrl) as refused:
        parse_url("http://ada:hunter2@localhost:port/db")
    assert "hunter2" not in str(refused.value)


def test_no_url_at_all_says_which_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPANLEDGER_CLICKHOUSE_URL", raising=False)
    with pytest.raises(InvalidUrl, match="set SPANLEDGER_CLICKHOUSE_URL"):
        connect()
