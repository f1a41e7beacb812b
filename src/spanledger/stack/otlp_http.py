"""OTLP over HTTP: ``/v1/traces``, ``/v1/logs``, ``/v1/metrics`` (ASGI)."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from spanledger.stack import _codecs, _http
from spanledger.stack._health import Health
from spanledger.stack._http import Receive, Scope, Send
from spanledger.stack._intake import Postponed
from spanledger.stack._otlp import SIGNALS, MalformedRequest, Signal
from spanledger.stack.admin import PREFIX, Admin
from spanledger.stack.engine import EngineError
from spanledger.stack.receiver import MAX_DECODING, PATIENCE_S, Receiver, Taken

MAX_WAITING: Final = 256
_BODIES_BYTES: Final = 2 * _http.MAX_BODY_BYTES
_PATHS: Final = {f"/v1/{signal.name}": signal for signal in SIGNALS}
_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_RETRY: Final = ((b"retry-after", b"1"),)


class OtlpHttp:
    """The ASGI application of the OTLP/HTTP port."""

    def __init__(self, receiver: Receiver, health: Health, admin: Admin) -> None:
        self._receiver = receiver
        self._health = health
        self._admin = admin
        self._workers = ThreadPoolExecutor(MAX_DECODING, thread_name_prefix="otlp-http")
        self._bodies = _http.Bodies(_BODIES_BYTES, _http.MAX_BODY_BYTES)
        self._waiting = 0

    def close(self) -> None:
        """End the workers."""
        self._workers.shutdown(wait=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path = _http.headers_of(scope), scope["path"]
        if _http.from_browser(headers):
            return await _refuse(send, 403, _http.BROWSER_REFUSED)
        if path == "/health":
            return await self._tell_health(send)
        if path.startswith(PREFIX):
            status, answer = await self._admin.run(path, scope["query_string"], headers)
            return await _send_json(send, status, answer)
        signal = _PATHS.get(path)
        if signal is None:
            return await _refuse(send, 404, f"OTLP is at {', '.join(_PATHS)}.")
        if scope["method"] != "POST":
            return await _refuse(send, 405, f"Send {signal.name} with POST.")
        await self._accept(signal, headers, receive, send)

    async def _tell_health(self, send: Send) -> None:
        health = self._health.report()
        await _send_json(send, 200 if health["problem"] is None else 503, health)

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
        except Postponed as error:
            sentence = f"Not taken now ({error}): send the same request again."
            await _refuse(send, 503, sentence, _RETRY)
        except (EngineError, TimeoutError) as error:
            await _refuse(send, 503, f"The rows could not be stored: {error}", _RETRY)
        except _http.Disconnected:
            return

    async def _store(
        self, signal: Signal, headers: dict[str, str], body: bytes, *, as_json: bool
    ) -> bytes:
        def work() -> Taken:
            encoding = headers.get("content-encoding", "")
            plain = _codecs.decode(encoding, body, _http.MAX_BODY_BYTES)
            return self._receiver.take(signal, plain, as_json=as_json)

        if reason := self._health.problem():
            self._receiver.count(f"{signal.name}.postponed")
            raise Postponed(reason)
        if self._waiting >= MAX_WAITING:
            raise _http.Overloaded
        self._waiting += 1
        try:
            taken = await asyncio.get_running_loop().run_in_executor(self._workers, work)
            return await self._answer(taken)
        finally:
            self._waiting -= 1

    async def _answer(self, taken: Taken) -> bytes:
        # Shielded: two clients may wait for the same request, one of them may go away.
        stored = asyncio.shield(asyncio.wrap_future(taken.future))
        try:
            refused = await asyncio.wait_for(stored, PATIENCE_S)
        except (EngineError, Postponed, TimeoutError):
            self._receiver.failed(taken)
            raise
        return self._receiver.answer(taken, refused)


async def _send_json(send: Send, status: int, value: Any) -> None:
    await _http.reply(send, status, json.dumps(value).encode(), _JSON)


async def _refuse(
    send: Send, status: int, sentence: str, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    await _http.reply(send, status, (sentence + "\n").encode(), headers=headers)
