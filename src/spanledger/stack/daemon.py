"""The daemon of the local stack: ``python -m spanledger.stack.daemon --data-dir …``.

One process owns the engine of a data directory, serves ClickHouse's HTTP interface and receives
OTLP. It is exec'd, never forked: an engine does not survive a fork.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import (
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvicorn

from spanledger.config import default_data_dir
from spanledger.stack._engine_server import ServerEngine, find_binary
from spanledger.stack._files import DataDir, hold_lock, shorten, write_private
from spanledger.stack._health import Health
from spanledger.stack._info import DaemonRecord, encode_record, query_url
from spanledger.stack._intake import Intake
from spanledger.stack._journal import Journal
from spanledger.stack._ports import bind
from spanledger.stack.admin import Admin
from spanledger.stack.backups import restore_into
from spanledger.stack.bridge import Bridge
from spanledger.stack.engine import DEFAULT_MEMORY_BYTES, Engine, check_available
from spanledger.stack.errors import StackError, StartFailed
from spanledger.stack.otlp_grpc import OtlpGrpc
from spanledger.stack.otlp_http import OtlpHttp
from spanledger.stack.receiver import Receiver
from spanledger.warehouse import WarehouseError, applied, connect, migrate

_GRACE_S: Final = 3.0
_DRAIN_S: Final = 2.0
_HARD_STOP_S: Final = 6.0
_HOUSEKEEPING_S: Final = 2.0
_MIN_FREE_BYTES: Final = 128 << 20
_log = logging.getLogger("spanledger.stack")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: two servers share this process's."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # ours has no state
        return nullcontext()


class Daemon:
    """Everything that one daemon runs, in the order in which it starts."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._data = DataDir(options.data_dir)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises:
            StackError: if it can't start.
        """
        binary = find_binary(self._options.clickhouse) if self._server else None
        if binary is None:
            check_available()
        self._data.create()
        with hold_lock(self._data.lock):
            token = self._data.ensure_token()
            # Ports first: they fail fast, before the engine has opened anything.
            query = bind(self._options.clickhouse_port, "--clickhouse-port")
            otlp = bind(self._options.otlp_port, "--otlp-port")
            engine = self._open_engine(binary, query, token)
            try:
                if self._options.restore_from is not None:
                    restore_into(engine, self._data, self._options.restore_from)
                asyncio.run(self._serve(engine, query, otlp, token))
            finally:
                engine.close()

    @property
    def _server(self) -> bool:
        return bool(self._options.engine == "server")

    def _open_engine(
        self, binary: Path | None, query: socket.socket, token: str
    ) -> Engine | ServerEngine:
        limit = self._options.max_memory_bytes
        if binary is None:
            return Engine(self._data, max_memory_bytes=limit)
        port = query.getsockname()[1]
        query.close()  # it was free a moment ago; the server listens there itself
        return ServerEngine(self._data, binary, port, token, limit)

    async def _serve(
        self, engine: Engine | ServerEngine, query: socket.socket, otlp: socket.socket, token: str
    ) -> None:
        stopping = _stop_event()
        async with AsyncExitStack() as stack:
            if isinstance(engine, Engine):
                query_port: int = query.getsockname()[1]
                await stack.enter_async_context(_bridged(engine, token, query))
            else:
                query_port = engine.port
            schema = await asyncio.to_thread(_migrate, query_url(query_port, token))
            journal = Journal(self._data.journal)
            intake = Intake(engine, journal)
            intake.start(journal.recover(trusted=engine.forgotten == 0))
            stack.callback(intake.close, _DRAIN_S)
            health = Health(
                self._data.path, Receiver(intake), journal, self._options.engine, engine.version,
                schema, self._options.min_free_bytes,
            )  # fmt: skip
            grpc = await self._receive(stack, health, Admin(intake, engine, token), otlp)
            self._announce(query_port, otlp.getsockname()[1], grpc, engine.version)
            await _keep_house(stopping, engine, journal, self._data.log)
            self._data.record.unlink(missing_ok=True)
            _arm_hard_stop()
            _log.info("stopping")

    async def _receive(
        self, stack: AsyncExitStack, health: Health, admin: Admin, otlp: socket.socket
    ) -> OtlpGrpc | None:
        receiving = OtlpHttp(health.receiver, health, admin)
        stack.callback(receiving.close)
        await stack.enter_async_context(_serving(receiving, otlp))
        grpc = self._start_grpc(health)
        if grpc:
            stack.callback(grpc.stop, _GRACE_S)
        return grpc

    def _start_grpc(self, health: Health) -> OtlpGrpc | None:
        port = self._options.grpc_port
        if port is None:
            return None
        try:
            server = OtlpGrpc(health.receiver, port, health.problem)
        except OSError as error:
            _log.warning(
                "Port %s for OTLP/gRPC can't be used (%s): exporters must use OTLP/HTTP, or "
                "choose another port with --grpc-port.",
                port,
                error,
            )
            return None
        server.start()
        return server

    def _announce(
        self, query_port: int, otlp_port: int, grpc: OtlpGrpc | None, version: str
    ) -> None:
        record = DaemonRecord(
            pid=os.getpid(),
            clickhouse_port=query_port,
            otlp_port=otlp_port,
            grpc_port=grpc.port if grpc else None,
            engine_version=version,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            engine=self._options.engine,
        )
        write_private(self._data.record, encode_record(record))
        _report(self._options, {"ready": True})
        _log.info("ready: ClickHouse HTTP on %s, OTLP/HTTP on %s", query_port, otlp_port)


@asynccontextmanager
async def _bridged(engine: Engine, token: str, query: socket.socket) -> AsyncIterator[None]:
    bridge = Bridge(engine, token)
    try:
        async with _serving(bridge, query):
            yield
        # The server's grace is over: what still runs is asked to end.
        engine.interrupt()
    finally:
        bridge.close()


async def _keep_house(
    stopping: asyncio.Event, engine: Engine | ServerEngine, journal: Journal, log: Path
) -> None:
    """Until we stop: files that are done with go, and a server that ended is started."""
    while not stopping.is_set():
        await asyncio.to_thread(journal.tidy)
        shorten(log)
        if isinstance(engine, ServerEngine):
            engine.watch()
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _HOUSEKEEPING_S)


@asynccontextmanager
async def _serving(app: Any, listening: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        lifespan="off",
        interface="asgi3",
        http="httptools",
        loop="asyncio",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        # Longer than the pools of clients keep connections: whoever closes first should not be us.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(_GRACE_S),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        if serving.done():
            raise StartFailed(f"The HTTP server ended at once: {serving.exception()}")
        await asyncio.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _migrate(url: str) -> int:
    """The number of the schema's last migration."""
    # Through our own port: the schema has one code path, whatever ClickHouse is behind the URL.
    try:
        with connect(url) as warehouse:
            migrate(warehouse)
            return max(migration.number for migration in applied(warehouse))
    except WarehouseError as error:
        raise StartFailed(f"The database could not be migrated: {error}") from error


def _stop_event() -> asyncio.Event:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


def _arm_hard_stop() -> None:
    """End the process even if a statement does not let go. Safe: what was acknowledged is on
    disk, and the engine recovers from any stop."""
    timer = threading.Timer(_HARD_STOP_S, os._exit, args=(0,))
    timer.daemon = True
    timer.start()


def _report(options: argparse.Namespace, message: dict[str, object]) -> None:
    """Tell the process that started us, once. It may be gone: then nobody needs to know."""
    ready_fd, options.ready_fd = options.ready_fd, None
    if ready_fd is not None:
        with suppress(OSError):
            os.write(ready_fd, json.dumps(message).encode() + b"\n")
        os.close(ready_fd)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m spanledger.stack.daemon", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=default_data_dir())
    parser.add_argument("--clickhouse-port", type=int, default=8123)
    parser.add_argument("--otlp-port", type=int, default=4318)
    parser.add_argument("--grpc-port", type=int, default=None, help="default: no OTLP/gRPC")
    parser.add_argument("--max-memory-bytes", type=int, default=DEFAULT_MEMORY_BYTES)
    parser.add_argument("--min-free-bytes", type=int, default=_MIN_FREE_BYTES)
    parser.add_argument("--engine", choices=("embedded", "server"), default="embedded")
    parser.add_argument("--clickhouse", help="the ClickHouse program for --engine server")
    parser.add_argument("--restore-from", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--ready-fd", type=int, default=None, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon in the foreground; return its exit status."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        Daemon(options).run()
    except StackError as error:
        _log.error("%s", error)
        _report(options, {"error": type(error).__name__, "message": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
