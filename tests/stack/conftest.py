"""One running stack for the tests that only talk to it; its database is shared, tables are not."""

import http.client
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from spanledger import stack
from spanledger.stack import StackInfo

pytest.importorskip("chdb", reason="the embedded engine is not installed")
_numbers = itertools.count(1)

Response = tuple[int, dict[str, str], bytes]
Ask = Callable[..., Response]


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """A stack on free ports."""
    data_dir = tmp_path_factory.mktemp("stack")
    yield stack.start(data_dir, clickhouse_port=0, otlp_port=0, grpc_port=0)
    stack.stop(data_dir)


@pytest.fixture
def table() -> str:
    """The name of a table that nobody else uses."""
    return f"t_{next(_numbers)}"


@pytest.fixture
def client(running: StackInfo) -> Iterator[Any]:
    """clickhouse-connect on the query port."""
    import clickhouse_connect

    client = clickhouse_connect.get_client(dsn=running.clickhouse_url)
    yield client
    client.close()


@pytest.fixture
def ask(running: StackInfo) -> Ask:
    """Sends one raw request to the query port, with the token unless told otherwise."""
    url = urlsplit(running.clickhouse_url)

    def send(
        body: bytes = b"",
        parameters: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        path: str = "/",
        token: str | None = url.password,
    ) -> Response:
        query = "&".join(f"{name}={quote(value)}" for name, value in (parameters or {}).items())
        key = {"X-ClickHouse-User": "spanledger", "X-ClickHouse-Key": token} if token else {}
        return request(url.port, method, f"{path}?{query}", body, {**key, **(headers or {})})

    return send


def request(
    port: int | None, method: str, target: str, body: bytes, headers: Mapping[str, str]
) -> Response:
    """One HTTP exchange on loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, target, body, dict(headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()
    finally:
        connection.close()


@pytest.fixture
def post_otlp(running: StackInfo) -> Ask:
    """Sends one raw request to the OTLP/HTTP port."""
    port = urlsplit(running.otlp_endpoint).port

    def send(
        path: str,
        body: bytes,
        content_type: str = "application/x-protobuf",
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
    ) -> Response:
        return request(port, method, path, body, {"Content-Type": content_type, **(headers or {})})

    return send


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    """A data directory of the test's own; whatever runs in it is stopped afterwards."""
    path = tmp_path / "data"
    yield path
    if path.exists():
        stack.stop(path)
