"""A small HTTP/1.1 server on 127.0.0.1 that a test can make misbehave.

The standard library's own server hides the socket and spends more time on a request's headers
than a benchmark of a few microseconds can bear; here a handler gets the parsed request and the
connection itself, so that it can answer, trickle, hang, or break off.
"""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Self

HOST = "127.0.0.1"
_BACKLOG = 512
_MAX_LINE_BYTES = 65_536
_JOIN_S = 5.0


class ClientGone(ConnectionError):
    """The client closed the connection before the reply was complete."""


class ServerStopped(ConnectionError):
    """The server was stopped while a reply was under way."""


class _BadRequest(ValueError):
    """What arrived is not HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One client connection, used by one thread at a time."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self.open = True

    def send(self, data: bytes) -> None:
        """Raises `ClientGone` or `ServerStopped` if the connection ends."""
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise self._ended() from error

    def check(self) -> None:
        """Raises `ClientGone` or `ServerStopped` if the connection has ended; never waits."""
        try:
            if self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                raise self._ended()
        except BlockingIOError:
            return
        except ConnectionError:
            raise
        except OSError as error:
            raise self._ended() from error

    def wait(self, seconds: float) -> None:
        """Pause; raises `ClientGone` or `ServerStopped` as soon as the connection ends."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        if poll.poll(max(0.0, seconds) * 1000):
            self.check()
            # Bytes of a next request are waiting, so the socket cannot tell when it closes.
            self._stopping.wait(seconds)

    def close(self, *, reset: bool = False) -> None:
        """End the connection, by a TCP reset if asked to."""
        self.open = False
        with contextlib.suppress(OSError):
            if reset:
                linger = struct.pack("ii", 1, 0)
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            else:
                # The reader holds a reference to the socket: without this the client would
                # see the end only when the thread has ended.
                self._sock.shutdown(socket.SHUT_RDWR)
            self._sock.close()

    def interrupt(self) -> None:
        """Wake the thread that reads or writes here; called by the server from outside."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def _ended(self) -> ConnectionError:
        self.open = False
        if self._stopping.is_set():
            return ServerStopped("the server was stopped")
        return ClientGone("the client closed the connection")


Handler = Callable[[Connection, HttpRequest], None]


class LoopbackServer:
    """Runs ``handler`` for every request, one thread a connection.

    A stopped server refuses connections and can be started again on the same port.
    """

    def __init__(self, handler: Handler, *, port: int = 0, name: str = "loopback") -> None:
        self._handler = handler
        self._port = port
        self._name = name
        self._lock = threading.Lock()
        self._running: _Running | None = None

    @property
    def running(self) -> bool:
        return self._running is not None

    @property
    def port(self) -> int:
        """The port that is listened on; raises `RuntimeError` before the first start."""
        if not self._port:
            raise RuntimeError(f"The {self._name} server was never started; call start() first.")
        return self._port

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> Self:
        """Listen. Does nothing if it does already; raises `OSError` if the port is taken."""
        with self._lock:
            if self._running is None:
                self._running = _Running(self._handler, self._port, self._name)
                self._port = self._running.port
        return self

    def stop(self) -> None:
        """Close the listener and every connection, and wait for their threads."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.stop()


class _Running:
    """The sockets and threads between one start and one stop."""

    def __init__(self, handler: Handler, port: int, name: str) -> None:
        self._handler = handler
        self._name = name
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[Connection, threading.Thread] = {}
        self._listener = socket.create_server((HOST, port), backlog=_BACKLOG, reuse_port=False)
        # Never blocks: a client that gives up between poll and accept must not stall the loop.
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        # A blocked accept cannot be woken by closing its socket on every platform.
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name=name, daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        self._stopping.set()
        self._wake_writer.send(b"x")
        self._acceptor.join(_JOIN_S)
        with self._lock:
            threads = list(self._connections.items())
        for connection, _ in threads:
            connection.interrupt()
        for _, thread in threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)
        self._wake_reader.close()
        self._wake_writer.close()

    def _accept(self) -> None:
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._wake_reader, select.POLLIN)
        with self._listener:
            while not self._stopping.is_set():
                poll.poll()
                with contextlib.suppress(OSError):
                    self._adopt(self._listener.accept()[0])

    def _adopt(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, self._stopping)
        thread = threading.Thread(
            target=self._serve, args=(connection, sock), name=f"{self._name}-client", daemon=True
        )
        with self._lock:
            self._connections[connection] = thread
        thread.start()

    def _serve(self, connection: Connection, sock: socket.socket) -> None:
        try:
            with sock, sock.makefile("rb") as reader:
                self._converse(connection, reader)
        except OSError:
            # However a client leaves, the server goes on; the handler has counted it.
            return
        finally:
            with self._lock:
                self._connections.pop(connection, None)

    def _converse(self, connection: Connection, reader: BinaryIO) -> None:
        while connection.open and not self._stopping.is_set():
            try:
                request = read_request(reader)
            except ValueError as error:
                connection.send(response(400, {"connection": "close"}, str(error).encode()))
                return
            if request is None:
                return
            self._handler(connection, request)
            if request.headers.get("connection", "").lower() == "close":
                return


def read_request(reader: BinaryIO) -> HttpRequest | None:
    """The next request, or ``None`` at the end of the connection.

    Raises `ValueError` if what arrives is not HTTP/1.1.
    """
    line = reader.readline(_MAX_LINE_BYTES)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise _BadRequest("The request line is not HTTP/1.1.")
    headers = _read_headers(reader)
    return HttpRequest(parts[0], parts[1], headers, _read_body(reader, headers))


def response(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """A whole reply."""
    return head(status, {**headers, "content-length": str(len(body))}) + body


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers, with the empty line that ends them."""
    lines = [f"HTTP/1.1 {status} {_reason(status)}", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; empty data ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == 529 else "Unknown"


def _read_headers(reader: BinaryIO) -> dict[str, str]:
    headers: dict[str, str] = {}
    while (line := reader.readline(_MAX_LINE_BYTES)) not in (b"\r\n", b"\n"):
        if not line:
            raise _BadRequest("The request ended inside its headers.")
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def _read_body(reader: BinaryIO, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return b"".join(iter(lambda: _read_chunk(reader), b""))
    return reader.read(int(headers.get("content-length", "0")))


def _read_chunk(reader: BinaryIO) -> bytes:
    size = int(reader.readline(_MAX_LINE_BYTES).split(b";")[0], 16)
    data = reader.read(size)
    reader.readline(_MAX_LINE_BYTES)
    return data
