"""OTLP over HTTP: ``/v1/traces``, ``/v1/logs``, ``/v1/metrics`` (ASGI)."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from spanledger.stack import _codecs, _http
from spanledger.stack._http import Receive, Scope, Send
from spanledger.stack._info import USER
from spanledger.stack._otlp import SIGNALS, MalformedRequest, Signal
from spanledger.stack.engine import EngineError
from spanledger.stack.receiver import MAX_INSERTING, Receiver

MAX_WAITING: Final = 64
_BODIES_BYTES: Final = 2 * _http.MAX_BODY_BYTES
_PATHS: Final = {f"/v1/{signal.name}": signal for signal in SIGNALS}
_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_RETRY: Final = ((b"retry-after", b"1"),)


class OtlpHttp:
    """The ASGI application of the OTLP/HTTP port."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._workers = ThreadPoolExecutor(MAX_INSERTING, thread_name_prefix="otlp-http")
        self._bodies = _http.Bodies(_BODIES_BYTES, _http.MAX_BODY_BYTES)
        self._waiting = 0

    def close(self) -> None:
        """End the workers once what they hold is stored."""
        self._workers.shutdown(wait=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _http.headers_of(scope)
        if _http.from_browser(headers):
            return await _refuse(send, 403, _http.BROWSER_REFUSED)
        if scope["path"] == "/health":
            return await self._health(send)
        signal = _PATHS.get(scope["path"])
        if signal is None:
            return await _refuse(send, 404, f"OTLP is at {', '.join(_PATHS)}.")
        if scope["method"] != "POST":
            return await _refuse(send, 405, f"Send {signal.name} with POST.")
        await self._accept(signal, headers, receive, send)

    async def _health(self, send: Send) -> None:
        health = {"service": USER, "port": "otlp", "received": self._receiver.counts}
        await _http.reply(send, 200, json.dumps(health).encode(), _JSON)

    async def _accept(
        self, signal: Signal, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if kind not in (_PROTOBUF, _JSON):
            return await _refuse(
                send, 415, f"Send {_PROTOBUF} or {_JSON}, not {kind or 'nothing'!r}."
            )
        try:
            async with self._bodies.read(receive) as body:
                answer = await self._store(signal, headers, body, as_json=kind == _JSON)
            await _http.reply(send, 200, answer, kind)
        except _codecs.BodyTooLarge:
            self._receiver.count(f"{signal.name}.too_large")
            await _refuse(send, 413, _http.TOO_LARGE)
        except MalformedRequest as error:
            await _refuse(send, 400, str(error))
        except _codecs.BodyError as error:
            self._receiver.count(f"{signal.name}.malformed")
            await _refuse(send, 400, str(error))
        except _http.Overloaded:
            self._receiver.count(f"{signal.name}.postponed")
            await _refuse(send, 503, "The stack is busy: send the same request again.", _RETRY)
        except EngineError as error:
            await _refuse(send, 503, f"The rows could not be stored: {error}", _RETRY)
        except _http.Disconnected:
            return

    async def _store(
        self, signal: Signal, headers: dict[str, str], body: bytes, *, as_json: bool
    ) -> bytes:
        def work() -> bytes:
            encoding = headers.get("content-encoding", "")
            plain = _codecs.decode(encoding, body, _http.MAX_BODY_BYTES)
            return self._receiver.export(signal, plain, as_json=as_json)

        if self._waiting >= MAX_WAITING:
            raise _http.Overloaded
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, work)
        finally:
            self._waiting -= 1


async def _refuse(
    send: Send, status: int, sentence: str, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    await _http.reply(send, status, (sentence + "\n").encode(), headers=headers)
