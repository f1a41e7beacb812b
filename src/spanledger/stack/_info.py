"""What a running stack says about itself, and its JSON form. Pure."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
USER: Final = "spanledger"
DATABASE: Final = "spanledger"


@dataclass(frozen=True, slots=True)
class StackInfo:
    """A running local stack. The query address holds the token, so ``repr`` leaves it out."""

    pid: int
    data_dir: Path
    clickhouse_url: str = field(repr=False)
    """ClickHouse's HTTP interface: ``http://user:token@127.0.0.1:port/database``."""
    otlp_endpoint: str
    """Base address of OTLP/HTTP, for ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
    grpc_endpoint: str | None
    """Base address of OTLP/gRPC, or None if the daemon does not listen for it."""
    engine_version: str
    started_at: datetime
    engine: str = "embedded"
    """``embedded``, or ``server``: a ClickHouse program that the daemon runs."""


@dataclass(frozen=True, slots=True)
class DaemonRecord:
    """What the daemon writes down once it is ready. Holds no secret."""

    pid: int
    clickhouse_port: int
    otlp_port: int
    grpc_port: int | None
    engine_version: str
    started_at: str
    engine: str = "embedded"


def query_url(port: int, token: str) -> str:
    """The ClickHouse address of a stack on *port*, credentials included."""
    return f"http://{USER}:{token}@{HOST}:{port}/{DATABASE}"


def encode_record(record: DaemonRecord) -> str:
    """JSON of *record*, one field a line so that people can read it too."""
    return json.dumps({name: getattr(record, name) for name in record.__slots__}, indent=2) + "\n"


def decode_record(text: str) -> DaemonRecord | None:
    """The record in *text*; None if it is cut off or from another layout."""
    try:
        return DaemonRecord(**json.loads(text))
    except (ValueError, TypeError):
        return None


def describe(record: DaemonRecord, data_dir: Path, token: str) -> StackInfo:
    """The public face of *record*."""
    grpc = None if record.grpc_port is None else f"http://{HOST}:{record.grpc_port}"
    return StackInfo(
        pid=record.pid,
        data_dir=data_dir,
        clickhouse_url=query_url(record.clickhouse_port, token),
        otlp_endpoint=f"http://{HOST}:{record.otlp_port}",
        grpc_endpoint=grpc,
        engine_version=record.engine_version,
        started_at=datetime.fromisoformat(record.started_at),
        engine=record.engine,
    )
