"""An HTTP proxy on loopback that breaks what goes through it: between a sender and its receiver, or
between a Collector and ClickHouse.
"""

import http.client
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from spanledger.testing._http import Connection, HttpRequest, LoopbackServer, response
from spanledger.testing.otlp_server import Accept, HangReply, LostReply, Refuse

__all__ = ["DelayReply", "Fault", "FaultProxy", "ResetRequest"]

#: What concerns one connection and not what is sent over it.
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_LOOK_EVERY_S: Final = 0.02
_TARGET_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetRequest:
    """A TCP reset instead of an answer; the target never sees the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayReply:
    """The target has done what was asked; its answer comes ``seconds`` later."""

    seconds: float


#: `Accept`: pass. `Refuse`: answer an error, and the target never sees the request. `HangReply`:
#: silence, with ``store`` after the target has answered. `LostReply`: the target has done what was
#: asked, and its answer is lost.
Fault = Accept | Refuse | HangReply | LostReply | ResetRequest | DelayReply


class FaultProxy:
    """Forwards HTTP/1.1 to ``target`` (``http://host:port``); a context manager.

    Each request uses the next enqueued fault, else what `always` said, else passes. With
    ``matching`` faults befall only requests for which it is true; the others pass.
    """

    def __init__(
        self, target: str, *, matching: Callable[[HttpRequest], bool] | None = None
    ) -> None:
        address = urlsplit(target)
        if address.scheme != "http" or not address.hostname:
            raise ValueError(f"The target {target!r} is not like http://127.0.0.1:4318.")
        self._host, self._port = address.hostname, address.port or 80
        self._matching = matching or (lambda _: True)
        self._lock = threading.Lock()
        self._queue: deque[Fault] = deque()
        self._default: Fault = Accept()
        self._whole = threading.Event()
        self._whole.set()
        self._forwarded = self._injected = 0
        self._server = LoopbackServer(self._handle, name="fault-proxy")

    def start(self) -> Self:
        """Listen. Raises `OSError` if the port of an earlier start is taken."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Refuse connections from now on, and break off those that are open."""
        self._whole.set()
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """Like ``http://127.0.0.1:40123``; the same after a stop and a start."""
        return self._server.url

    @property
    def forwarded(self) -> int:
        """Requests that the target has answered, whether or not the answer was passed on."""
        with self._lock:
            return self._forwarded

    @property
    def injected(self) -> int:
        """Requests that a fault befell."""
        with self._lock:
            return self._injected

    def enqueue(self, *faults: Fault) -> None:
        """Treat the next requests so, one each, in order."""
        with self._lock:
            self._queue.extend(faults)

    def always(self, fault: Fault) -> None:
        """Treat every request so that finds nothing enqueued."""
        with self._lock:
            self._default = fault

    def cut(self) -> None:
        """Cut the network: connections stay open, and nothing moves, neither way, until `heal`."""
        self._whole.clear()

    def heal(self) -> None:
        """End every fault. What waited at a `cut` goes on, if its sender has waited too."""
        with self._lock:
            self._queue.clear()
            self._default = Accept()
        self._whole.set()

    def _handle(self, connection: Connection, request: HttpRequest) -> None:
        fault = self._next(request)
        match fault:
            case Refuse():
                connection.send(_refusal(fault))
            case ResetRequest():
                connection.close(reset=True)
            case HangReply(store=False):
                connection.wait(fault.seconds)
                connection.close()
            case _:
                self._pass(connection, request, fault)

    def _next(self, request: HttpRequest) -> Fault:
        if not self._matching(request):
            return Accept()
        with self._lock:
            fault = self._queue.popleft() if self._queue else self._default
            self._injected += not isinstance(fault, Accept)
        return fault

    def _pass(self, connection: Connection, request: HttpRequest, fault: Fault) -> None:
        self._wait_until_whole(connection)
        try:
            answer = self._forward(request)
        except (OSError, http.client.HTTPException):
            # As if there were no proxy: a target that is not there refuses or breaks off.
            connection.close(reset=True)
            return
        self._wait_until_whole(connection)
        match fault:
            case LostReply():
                connection.close(reset=fault.reset)
                return
            case HangReply():
                connection.wait(fault.seconds)
                connection.close()
                return
            case DelayReply():
                connection.wait(fault.seconds)
        connection.send(answer)

    def _wait_until_whole(self, connection: Connection) -> None:
        while not self._whole.is_set():
            self._whole.wait(_LOOK_EVERY_S)
            # Last thing before it goes on, too: a sender that gave up meanwhile has taken its
            # request back.
            connection.check()

    def _forward(self, request: HttpRequest) -> bytes:
        target = http.client.HTTPConnection(self._host, self._port, timeout=_TARGET_TIMEOUT_S)
        try:
            target.request(request.method, request.path, request.body, _passed_on(request.headers))
            reply = target.getresponse()
            body = reply.read()
            headers = _passed_on(dict(reply.getheaders()))
        finally:
            target.close()
        with self._lock:
            self._forwarded += 1
        return response(reply.status, headers, body)


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _refusal(fault: Refuse) -> bytes:
    wait = fault.retry_after_s
    extra = {} if wait is None else {"retry-after": f"{wait:g}"}
    headers = {"content-type": "text/plain; charset=utf-8", **extra}
    return response(fault.status, headers, fault.message.encode())
