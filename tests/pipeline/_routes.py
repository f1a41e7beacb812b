"""The three ways from an agent to ClickHouse, and what can be broken on them."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from spanledger import stack
from spanledger.stack import StackInfo
from spanledger.testing._http import HttpRequest
from spanledger.testing.proxy import FaultProxy
from spanledger.warehouse import Warehouse, connect, migrate
from tests._engines import ClickHouseServer
from tests.pipeline._collector import Collector


class Route(Protocol):
    """From an agent's OTLP endpoint to the tables behind it."""

    @property
    def endpoint(self) -> str: ...

    proxy: FaultProxy
    """Before the store: between Collector and ClickHouse, or between agent and local stack."""

    def warehouse(self) -> Warehouse: ...
    def kill_receiver(self) -> None: ...
    def stop_receiver(self) -> None: ...
    def start_receiver(self) -> None: ...
    def kill_store(self) -> None: ...
    def start_store(self) -> None: ...
    def close(self) -> None: ...


class LocalStack:
    """The daemon of the local stack: receiver and store in one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._info: StackInfo = stack.start(
            directory, clickhouse_port=0, otlp_port=0, grpc_port=None
        )
        self.proxy = FaultProxy(self._info.otlp_endpoint).start()

    @property
    def endpoint(self) -> str:
        return self.proxy.endpoint

    def warehouse(self) -> Warehouse:
        return connect(self._info.clickhouse_url)

    def kill_receiver(self) -> None:
        import os
        import signal

        os.kill(self._info.pid, signal.SIGKILL)

    def stop_receiver(self) -> None:
        stack.stop(self._directory)

    def start_receiver(self) -> None:
        self._info = stack.start(
            self._directory,
            clickhouse_port=_port(self._info.clickhouse_url),
            otlp_port=_port(self._info.otlp_endpoint),
            grpc_port=None,
        )

    kill_store, start_store = kill_receiver, start_receiver

    def close(self) -> None:
        self.proxy.stop()
        stack.stop(self._directory)


class ByCollector:
    """A Collector with one of our configurations, and a ClickHouse server behind a proxy."""

    def __init__(
        self,
        server: ClickHouseServer,
        database: str,
        make: Callable[[str], Collector],
    ) -> None:
        self._server, self._database = server, database
        with self.warehouse() as warehouse:
            migrate(warehouse)
        self.proxy = FaultProxy(
            f"http://127.0.0.1:{server.http_port}", matching=_writes_spans
        ).start()
        self.collector = make(self.proxy.endpoint)
        self.collector.start()

    @property
    def endpoint(self) -> str:
        return self.collector.endpoint

    def warehouse(self) -> Warehouse:
        return connect(self._server.url(self._database))

    def kill_receiver(self) -> None:
        self.collector.kill()

    def stop_receiver(self) -> None:
        self.collector.stop()

    def start_receiver(self) -> None:
        self.collector.start()

    def kill_store(self) -> None:
        self._server.kill()

    def start_store(self) -> None:
        self._server.start()

    def close(self) -> None:
        self.collector.kill()
        self.proxy.stop()
        with self.warehouse() as warehouse:
            warehouse.command(f"DROP DATABASE IF EXISTS {self._database}", use_database=False)


def _writes_spans(request: HttpRequest) -> bool:
    """Not what the driver asks before it inserts: there is nothing to lose in that."""
    return "INSERT" in request.path and "otel_traces" in request.path


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port
