"""The loopback server below the mocks, spoken to over raw sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from spanledger.testing._http import (
    ClientGone,
    Connection,
    HttpRequest,
    LoopbackServer,
    response,
)


def echo(connection: Connection, request: HttpRequest) -> None:
    connection.send(response(200, {}, request.method.encode() + b" " + request.body))


@contextmanager
def connected(server: LoopbackServer) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        yield sock


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    server = LoopbackServer(echo).start()
    yield server
    server.stop()


def read_until(sock: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        received = sock.recv(1000)
        assert received, data
        data += received
    return data


def test_one_connection_serves_many_requests_also_sent_at_once(server: LoopbackServer) -> None:
    with connected(server) as sock:
        for body in (b"a", b"bc"):
            sock.sendall(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            assert read_until(sock, b"PUT " + body).startswith(b"HTTP/1.1 200 OK\r\n")
        sock.sendall(b"GET /1 HTTP/1.1\r\n\r\nHEAD /2 HTTP/1.1\r\n\r\n")
        assert b"GET " in read_until(sock, b"HEAD ")


def test_a_chunked_request_body_is_joined(server: LoopbackServer) -> None:
    with connected(server) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
        sock.sendall(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")

        assert read_until(sock, b"POST abcde")


def test_the_connection_ends_when_the_client_asks_for_it(server: LoopbackServer) -> None:
    with connected(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        read_until(sock, b"GET ")

        assert sock.recv(1) == b""


def test_waiting_ends_at_once_when_the_client_leaves() -> None:
    ended: list[type[BaseException]] = []
    finished = threading.Event()

    def hang(connection: Connection, request: HttpRequest) -> None:
        try:
            connection.wait(60)
        except ConnectionError as error:
            ended.append(type(error))
        finished.set()

    server = LoopbackServer(hang).start()
    with connected(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert finished.wait(5)
    server.stop()

    assert ended == [ClientGone]


def test_stopping_closes_idle_connections_and_leaves_no_thread() -> None:
    server = LoopbackServer(echo, name="leaves-no-thread").start()
    with connected(server) as first, connected(server) as second:
        for sock in (first, second):
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            read_until(sock, b"GET ")
        assert threads_of("leaves-no-thread") == 3
        server.stop()

        assert [first.recv(1), second.recv(1)] == [b"", b""]
    assert threads_of("leaves-no-thread") == 0
    assert not server.running


def threads_of(name: str) -> int:
    return sum(thread.name.startswith(name) for thread in threading.enumerate())
