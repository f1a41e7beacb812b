"""A local OTLP/HTTP receiver that stores what it gets and misbehaves when told to."""

import gzip
import threading
import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from spanledger.testing._http import (
    Connection,
    HttpRequest,
    LoopbackServer,
    response,
)
from spanledger.testing.otlp_server._behaviours import (
    Accept,
    HangReply,
    LostReply,
    OtlpBehaviour,
    PartialSuccess,
    Refuse,
    SlowReply,
)
from spanledger.testing.otlp_server._decode import (
    SIGNALS,
    Signal,
    Stored,
    StoredLog,
    StoredPoint,
    StoredSpan,
    decode,
    reply_body,
)

_PROTOBUF = {"content-type": "application/x-protobuf"}
_TEXT = {"content-type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpRequest:
    """One export request as it arrived."""

    at_index: int
    signal: Signal
    headers: Mapping[str, str]
    items: int
    """Spans, log records or data points in it."""
    wire_bytes: int
    """Length of the body as sent, compressed or not."""
    behaviour: OtlpBehaviour


class OtlpServer:
    """A local OTLP/HTTP receiver (protobuf; identity, gzip, deflate); a context manager.

    Each request uses the next enqueued behaviour, else ``default``. While stopped it refuses
    connections; started again it listens on the same port and still knows what it stored.
    ``keep_bodies``: what came is also kept byte by byte.
    """

    def __init__(
        self,
        default: OtlpBehaviour | None = None,
        *,
        port: int = 0,
        keep_bodies: bool = False,
    ) -> None:
        self._bodies: list[bytes] | None = [] if keep_bodies else None
        self._default: OtlpBehaviour = default or Accept()
        self._changed = threading.Condition()
        self._queue: deque[OtlpBehaviour] = deque()
        self._requests: list[OtlpRequest] = []
        self._stored: list[Stored] = []
        self._server = LoopbackServer(self._handle, port=port, name="otlp")

    def start(self) -> Self:
        """Listen. Raises `OSError` if the port is taken."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Refuse connections from now on, and break off those that are open."""
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
        """For ``OTEL_EXPORTER_OTLP_ENDPOINT``; a signal's own endpoint adds ``/v1/traces``."""
        return self._server.url

    def enqueue(self, *behaviours: OtlpBehaviour) -> None:
        """Treat the next requests so, one each, in order."""
        with self._changed:
            self._queue.extend(behaviours)

    def always(self, behaviour: OtlpBehaviour) -> None:
        """Treat every request so that finds nothing enqueued."""
        with self._changed:
            self._default = behaviour

    @property
    def requests(self) -> list[OtlpRequest]:
        """Every decodable export request, stored or not."""
        with self._changed:
            return list(self._requests)

    @property
    def bodies(self) -> list[bytes]:
        """The body of every decodable request, not compressed; only with ``keep_bodies``."""
        with self._changed:
            return list(self._bodies or ())

    @property
    def spans(self) -> list[StoredSpan]:
        """Every stored span, also those that came twice."""
        return [item for item in self._items() if isinstance(item, StoredSpan)]

    @property
    def unique_spans(self) -> list[StoredSpan]:
        """The stored spans, each (trace id, span id) once, as it came first."""
        first: dict[tuple[str, str], StoredSpan] = {}
        for span in self.spans:
            first.setdefault(span.key, span)
        return list(first.values())

    @property
    def duplicates(self) -> int:
        """How many stored spans had been stored before."""
        spans = self.spans
        return len(spans) - len({span.key for span in spans})

    @property
    def logs(self) -> list[StoredLog]:
        return [item for item in self._items() if isinstance(item, StoredLog)]

    @property
    def points(self) -> list[StoredPoint]:
        """Every data point of every metric."""
        return [item for item in self._items() if isinstance(item, StoredPoint)]

    def wait_for(
        self, *, spans: int = 0, logs: int = 0, requests: int = 0, timeout_s: float = 5.0
    ) -> bool:
        """Wait until at least so many unique spans, logs and requests are there.

        ``False`` if they are not after ``timeout_s``.
        """

        def enough() -> bool:
            unique = {item.key for item in self._stored if isinstance(item, StoredSpan)}
            records = sum(isinstance(item, StoredLog) for item in self._stored)
            return len(unique) >= spans and records >= logs and len(self._requests) >= requests

        with self._changed:
            return self._changed.wait_for(enough, timeout_s)

    def reset(self) -> None:
        """Forget requests, stored items and enqueued behaviours."""
        with self._changed:
            self._queue.clear()
            self._requests.clear()
            if self._bodies is not None:
                self._bodies.clear()
            self._stored.clear()

    def _items(self) -> list[Stored]:
        with self._changed:
            return list(self._stored)

    def _handle(self, connection: Connection, http: HttpRequest) -> None:
        signal = SIGNALS.get(http.path)
        if signal is None or http.method != "POST":
            connection.send(response(404, _TEXT, b"POST to /v1/traces, /v1/logs or /v1/metrics."))
            return
        try:
            body = _inflate(http)
            items = decode(signal, body)
        except (ValueError, OSError, EOFError, zlib.error) as error:
            connection.send(response(400, _TEXT, str(error).encode()))
            return
        if self._bodies is not None:
            with self._changed:
                self._bodies.append(body)
        self._answer(connection, signal, self._take(http, signal, items))

    def _take(self, http: HttpRequest, signal: Signal, items: list[Stored]) -> OtlpBehaviour:
        """Record the request, and store its items, in one step."""
        with self._changed:
            behaviour = self._queue.popleft() if self._queue else self._default
            request = OtlpRequest(
                at_index=len(self._requests),
                signal=signal,
                headers=http.headers,
                items=len(items),
                wire_bytes=len(http.body),
                behaviour=behaviour,
            )
            self._requests.append(request)
            self._stored += items[: _kept(behaviour, len(items))]
            self._changed.notify_all()
        return behaviour

    def _answer(self, connection: Connection, signal: Signal, behaviour: OtlpBehaviour) -> None:
        match behaviour:
            case Accept():
                connection.send(_accepted(signal))
            case PartialSuccess():
                connection.send(_accepted(signal, behaviour.rejected, behaviour.message))
            case Refuse():
                connection.send(_refused(behaviour))
            case HangReply():
                connection.wait(behaviour.seconds)
                connection.close()
            case LostReply():
                connection.close(reset=behaviour.reset)
            case SlowReply():
                for byte in _accepted(signal):
                    connection.wait(behaviour.byte_delay_s)
                    connection.send(bytes((byte,)))


def _kept(behaviour: OtlpBehaviour, items: int) -> int:
    if isinstance(behaviour, Refuse) or (isinstance(behaviour, HangReply) and not behaviour.store):
        return 0
    if isinstance(behaviour, PartialSuccess):
        return max(0, items - behaviour.rejected)
    return items


def _accepted(signal: Signal, rejected: int = 0, message: str = "") -> bytes:
    return response(200, _PROTOBUF, reply_body(signal, rejected, message))


def _refused(refusal: Refuse) -> bytes:
    wait = refusal.retry_after_s
    extra = {} if wait is None else {"retry-after": f"{wait:g}"}
    return response(refusal.status, {**_TEXT, **extra}, refusal.message.encode())


def _inflate(http: HttpRequest) -> bytes:
    encoding = http.headers.get("content-encoding", "identity").lower()
    if encoding == "gzip":
        return gzip.decompress(http.body)
    if encoding == "deflate":
        return zlib.decompress(http.body)
    if encoding != "identity":
        raise ValueError(f"The content encoding {encoding!r} is not supported; send gzip.")
    return http.body
