"""OTLP over HTTP or gRPC: one request out, one plain answer back.

The stock exporters retry by themselves for up to ten seconds and then lose the batch without
saying why; here the worker decides, so it has to know whether to try again.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_CERTIFICATE,
    OTEL_EXPORTER_OTLP_HEADERS,
)
from opentelemetry.util.re import parse_env_headers

Signal = Literal["traces", "logs"]

#: Statuses after which the specification allows to try again.
_RETRY_HTTP = frozenset({408, 429, 502, 503, 504})
_RETRY_GRPC = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE",
     "UNAVAILABLE", "DATA_LOSS"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one request. `rejected` items were received and refused for good."""

    outcome: Literal["delivered", "retry", "refused"]
    detail: str = ""
    rejected: int = 0
    retry_after_s: float | None = None


class Transport(Protocol):
    """Sends one serialised request and never raises."""

    target: str

    def send(self, signal: Signal, request: bytes, *, timeout_s: float) -> Sent: ...

    def close(self) -> None: ...


def transport_to(endpoint: str, environ: Mapping[str, str]) -> Transport:
    """A transport for ``http://``, ``https://`` (OTLP/HTTP) or ``grpc://``, ``grpcs://``."""
    headers = parse_env_headers(environ.get(OTEL_EXPORTER_OTLP_HEADERS, ""), liberal=True)
    certificate = environ.get(OTEL_EXPORTER_OTLP_CERTIFICATE)
    if urlsplit(endpoint).scheme in {"grpc", "grpcs"}:
        return GrpcTransport(endpoint, headers, certificate)
    return HttpTransport(endpoint, headers, certificate)


class HttpTransport:
    """OTLP/HTTP with protobuf bodies, compressed."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, str], certificate: str | None = None
    ) -> None:
        import requests

        self.target = endpoint.rstrip("/")
        self._session = requests.Session()
        # Proxy settings of the environment are for the host's traffic to the world; loopback
        # and cluster addresses go straight. Certificates are named explicitly.
        self._session.trust_env = not _is_loopback(endpoint)
        self._session.headers.update(
            {
                "content-type": "application/x-protobuf",
                "content-encoding": "gzip",
                "user-agent": "spanledger",
                **headers,
            }
        )
        if certificate:
            self._session.verify = certificate

    def send(self, signal: Signal, request: bytes, *, timeout_s: float) -> Sent:
        import requests

        try:
            response = self._session.post(
                f"{self.target}/v1/{signal}",
                data=gzip.compress(request, 1),
                timeout=timeout_s,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return Sent("retry", f"{type(error).__name__}: {error}")
        return _http_outcome(signal, response)

    def close(self) -> None:
        self._session.close()


def _is_loopback(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _http_outcome(signal: Signal, response: Any) -> Sent:
    status = response.status_code
    if 200 <= status < 300:
        return _delivered(signal, response.content)
    detail = f"HTTP {status}: {response.text[:200]}"
    if status in _RETRY_HTTP:
        return Sent("retry", detail, retry_after_s=_seconds(response.headers.get("retry-after")))
    return Sent("refused", detail)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


def _delivered(signal: Signal, body: bytes) -> Sent:
    """A success, which may name items that were rejected for good."""
    if not body:
        return Sent("delivered")
    message = _response_class(signal)()
    try:
        message.ParseFromString(body)
    except Exception:  # noqa: BLE001 - protobuf's DecodeError; the items were accepted (2xx)
        return Sent("delivered")
    partial = message.partial_success
    count = partial.rejected_spans if signal == "traces" else partial.rejected_log_records
    return Sent("delivered", partial.error_message, rejected=count)


def _response_class(signal: Signal) -> Any:
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

        return traces.ExportTraceServiceResponse
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs

    return logs.ExportLogsServiceResponse


class GrpcTransport:
    """OTLP/gRPC, for hosts whose collector listens on nothing else."""

    _METHODS = {  # noqa: RUF012 - a constant
        "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }

    def __init__(
        self, endpoint: str, headers: Mapping[str, str], certificate: str | None = None
    ) -> None:
        import grpc

        parts = urlsplit(endpoint)
        self.target = endpoint
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        if parts.scheme == "grpcs":
            roots = _read(certificate) if certificate else None
            self._channel = grpc.secure_channel(parts.netloc, grpc.ssl_channel_credentials(roots))
        else:
            self._channel = grpc.insecure_channel(parts.netloc)

    def send(self, signal: Signal, request: bytes, *, timeout_s: float) -> Sent:
        import grpc

        try:
            call = self._channel.unary_unary(self._METHODS[signal])
            body = call(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            code = error.code().name
            outcome: Literal["retry", "refused"] = "retry" if code in _RETRY_GRPC else "refused"
            return Sent(outcome, f"gRPC {code}: {error.details()}")
        return _delivered(signal, body)

    def close(self) -> None:
        self._channel.close()


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
