"""Receivers that misbehave below HTTP; those that answer are of `spanledger.testing`."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import repeat

Talk = Callable[[socket.socket], None]
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n"


@contextmanager
def refusing() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def talking(talk: Talk, scheme: str = "http") -> Iterator[str]:
    """A server that does so with each connection."""
    over, open_ones = threading.Event(), list[socket.socket]()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError):
                connection = listener.accept()[0]
                open_ones.append(connection)
                threading.Thread(target=_quietly, args=(talk, connection), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        for one in (listener, *open_ones):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        thread.join(5.0)


def _quietly(talk: Talk, connection: socket.socket) -> None:
    with suppress(OSError):
        talk(connection)


def hang(connection: socket.socket) -> None:
    """Read everything and say nothing."""
    while connection.recv(65536):
        pass


def read_nothing(_connection: socket.socket) -> None:
    """Take the connection and leave it at that."""


def drip(connection: socket.socket) -> None:
    """A byte of the head now and then, for ever."""
    connection.recv(65536)
    connection.sendall(_HEAD + b"x-slow: ")
    for byte in repeat(b"z"):
        threading.Event().wait(0.1)
        connection.sendall(byte)


def drip_body(connection: socket.socket) -> None:
    """A whole head, and then a byte of the body now and then."""
    connection.recv(65536)
    connection.sendall(_HEAD + b"content-length: 1000000\r\n\r\n")
    for byte in repeat(b"z"):
        threading.Event().wait(0.1)
        connection.sendall(byte)


def never_end(connection: socket.socket) -> None:
    """A body without an end, as fast as it can."""
    connection.recv(65536)
    connection.sendall(_HEAD + b"\r\n")
    for block in repeat(b"z" * 65536):
        connection.sendall(block)


def babble(connection: socket.socket) -> None:
    """Not HTTP."""
    connection.recv(65536)
    connection.sendall(b"\x00\x01nonsense\r\n\r\n" * 10)
    connection.close()
