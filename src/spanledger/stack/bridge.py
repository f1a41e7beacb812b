"""The query port: ClickHouse's HTTP interface in front of the embedded engine (ASGI).

Speaks what clickhouse-connect and clickhouse-go's HTTP mode speak. `_protocol` reads requests,
`_statement` runs them on worker threads, this file carries bytes.
"""

import asyncio
import json
import re
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from spanledger.stack import _codecs, _http
from spanledger.stack._http import Header, Receive, Scope, Send
from spanledger.stack._info import DATABASE, USER
from spanledger.stack._protocol import (
    DISPLAY_NAME,
    RequestError,
    authorise,
    content_type,
    credentials,
    parse,
    status_of,
    trailing_exception,
    url_parameters,
)
from spanledger.stack._statement import TIMEZONE, Answer, Statements
from spanledger.stack.engine import Engine, EngineError

MAX_RUNNING: Final = 8
MAX_WAITING: Final = 128
_BODIES_BYTES: Final = 4 * _http.MAX_BODY_BYTES
_SUMMARY: Final = dict.fromkeys(
    (
        "read_rows", "read_bytes", "written_rows", "written_bytes", "total_rows_to_read",
        "result_rows", "result_bytes", "elapsed_ns",
    ),
    "0",
)  # fmt: skip
_BUSY: Final = "Too many simultaneous queries on the local stack: try again in a moment."
_UNPRINTABLE: Final = re.compile(r"[^!-~]")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One request on its way: where to answer and how."""

    receive: Receive
    send: Send
    headers: list[Header]
    encoding: str | None
    tag: str
    started_ns: int


class Bridge:
    """The ASGI application of the query port."""

    def __init__(self, engine: Engine, token: str) -> None:
        self._version = engine.version
        self._token = token
        self._statements = Statements(engine, DATABASE)
        self._workers = ThreadPoolExecutor(MAX_RUNNING, thread_name_prefix="query")
        self._turns = _Turns()
        self._bodies = _http.Bodies(_BODIES_BYTES, _http.MAX_BODY_BYTES)

    def close(self) -> None:
        """End all sessions and the workers, once no request is running."""
        self._workers.shutdown(wait=True)
        self._statements.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _http.headers_of(scope)
        if _http.from_browser(headers):
            await _http.reply(send, 403, (_http.BROWSER_REFUSED + "\n").encode())
        elif scope["path"] in ("/ping", "/replicas_status"):
            await _http.reply(send, 200, b"Ok.\n")
        elif scope["path"] == "/health":
            health = {"service": USER, "port": "query", "version": self._version}
            await _http.reply(send, 200, json.dumps(health).encode(), "application/json")
        else:
            await self._query(scope, headers, receive, send)

    async def _query(
        self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        url = url_parameters(scope["query_string"])
        exchange = _exchange(url, headers, receive, send)
        try:
            authorise(credentials(headers, url), USER, self._token)
            async with self._bodies.read(receive) as body, self._turns.next():
                await self._answer(exchange, scope["method"], url, headers, body)
        except (RequestError, EngineError) as error:
            status = error.status if isinstance(error, RequestError) else status_of(error.code)
            await self._fail(exchange, status, error.code, str(error))
        except _codecs.BodyTooLarge:
            await self._fail(exchange, 413, 241, f"Code: 241. DB::Exception: {_http.TOO_LARGE}")
        except _codecs.BodyError as error:
            await self._fail(exchange, 400, 354, f"Code: 354. DB::Exception: {error}")
        except _http.Overloaded:
            await self._fail(exchange, 503, 202, f"Code: 202. DB::Exception: {_BUSY}")
        except _http.Disconnected:
            return

    async def _answer(
        self,
        exchange: _Exchange,
        method: str,
        url: dict[str, str],
        headers: dict[str, str],
        body: bytes,
    ) -> None:
        def work() -> Answer:
            encoding = headers.get("content-encoding", "")
            plain = _codecs.decode(encoding, body, _http.MAX_BODY_BYTES)
            query = parse(method, url, headers, plain)
            return self._statements.execute(query) if query.text.strip() else Answer("", b"Ok.\n")

        answer = await self._in_worker(work)
        if answer.rest is None:
            await _send_whole(exchange, answer)
        else:
            await self._send_stream(exchange, answer, answer.rest)

    async def _send_stream(
        self, exchange: _Exchange, answer: Answer, rest: Generator[bytes, None, None]
    ) -> None:
        encoder = _codecs.encoder(exchange.encoding)
        gone = asyncio.ensure_future(exchange.receive())
        try:
            await exchange.send(_start(exchange, answer))
            piece = answer.body
            while piece and not gone.done():
                await _send_part(exchange.send, encoder.add(piece))
                piece = await self._in_worker(lambda: next(rest, b""))
            await exchange.send({"type": "http.response.body", "body": encoder.finish()})
        except EngineError as error:
            # The status is sent; clients look for this frame, and the connection is cut
            # without its last chunk, so that nobody takes the answer for whole.
            frame = trailing_exception(exchange.tag, str(error))
            await _send_part(exchange.send, encoder.add(frame) + encoder.finish())
        finally:
            gone.cancel()
            await self._in_worker(rest.close)

    async def _in_worker(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)

    async def _fail(self, exchange: _Exchange, status: int, code: int, message: str) -> None:
        text = f"{message} (version {self._version})\n".encode()
        extra = [(b"x-clickhouse-exception-code", str(code).encode())]
        if status == 503:
            extra.append((b"retry-after", b"1"))
        await _http.reply(exchange.send, status, text, headers=[*exchange.headers, *extra])


class _Turns:
    """A bounded number of running statements and of those that wait for one to end."""

    def __init__(self) -> None:
        self._running = asyncio.Semaphore(MAX_RUNNING)
        self._waiting = 0

    @asynccontextmanager
    async def next(self) -> AsyncIterator[None]:
        """A place among the running ones.

        Raises:
            RequestError: 202, if too many wait already.
        """
        if self._waiting >= MAX_WAITING:
            raise RequestError(202, "TOO_MANY_SIMULTANEOUS_QUERIES", _BUSY, 503)
        self._waiting += 1
        try:
            await self._running.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._running.release()


def _exchange(
    url: dict[str, str], headers: dict[str, str], receive: Receive, send: Send
) -> _Exchange:
    query_id = url.get("query_id") or headers.get("x-clickhouse-query-id") or str(uuid.uuid4())
    wanted = url.get("enable_http_compression", "1") not in ("0", "false")
    tag = secrets.token_hex(8)
    fixed = [
        (b"x-clickhouse-query-id", _UNPRINTABLE.sub("_", query_id).encode()),
        (b"x-clickhouse-server-display-name", DISPLAY_NAME),
        (b"x-clickhouse-timezone", TIMEZONE.encode()),
        (b"x-clickhouse-exception-tag", tag.encode()),
    ]
    encoding = _codecs.choose_encoding(headers.get("accept-encoding", "")) if wanted else None
    return _Exchange(receive, send, fixed, encoding, tag, time.perf_counter_ns())


def _start(exchange: _Exchange, answer: Answer, length: int | None = None) -> dict[str, object]:
    elapsed = str(time.perf_counter_ns() - exchange.started_ns)
    summary = json.dumps({**_SUMMARY, **answer.summary, "elapsed_ns": elapsed})
    headers = [
        *exchange.headers,
        (b"content-type", content_type(answer.format).encode()),
        (b"x-clickhouse-format", answer.format.encode()),
        (b"x-clickhouse-summary", summary.encode()),
    ]
    if exchange.encoding and length != 0:
        headers.append((b"content-encoding", exchange.encoding.encode()))
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def _send_whole(exchange: _Exchange, answer: Answer) -> None:
    encoder = _codecs.encoder(exchange.encoding)
    body = encoder.add(answer.body) + encoder.finish() if answer.body else b""
    await exchange.send(_start(exchange, answer, len(body)))
    await exchange.send({"type": "http.response.body", "body": body})


async def _send_part(send: Send, data: bytes) -> None:
    if data:
        await send({"type": "http.response.body", "body": data, "more_body": True})
