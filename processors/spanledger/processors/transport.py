"""OTLP over HTTP or gRPC: one request out, one plain answer back.

The stock exporters retry by themselves for up to ten seconds and then lose the batch without
saying why; here the worker decides, so it has to know whether to try again.
"""

import gzip
import time
from collections.abc import Mapping
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from opentelemetry.sdk.environment_variables import OTEL_EXPORTER_OTLP_CERTIFICATE

from spanledger.lean import dataclass
from spanledger.processors.endpoint import headers_of
from spanledger.processors.spool.layout import Signal

#: Statuses after which the specification allows to try again.
_RETRY_HTTP = frozenset({408, 429, 502, 503, 504})
#: Statuses that blame what was sent: a part of it may be fine.
_BY_CONTENT_HTTP = frozenset({400, 413, 422})
_BY_CONTENT_GRPC = frozenset({"INVALID_ARGUMENT", "FAILED_PRECONDITION"})
_RETRY_GRPC = frozenset(
    {"CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED", "OUT_OF_RANGE",
     "UNAVAILABLE", "DATA_LOSS"}
)  # fmt: skip
#: More of a reply is not read, whatever it says of its length.
_MOST_REPLY_BYTES = 64 * 1024
_RETRY_INFO = "google.rpc.retryinfo-bin"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one request. `rejected` items were received and refused for good."""

    outcome: Literal["delivered", "retry", "refused"]
    detail: str = ""
    rejected: int = 0
    retry_after_s: float | None = None
    by_content: bool = False
    """Refused for what was in it: divided, a part may be taken."""


class Transport(Protocol):
    """Sends one serialised request and never raises."""

    target: str

    def send(self, signal: Signal, request: bytes, *, timeout_s: float) -> Sent: ...

    def close(self) -> None: ...


def transport_to(endpoint: str, environ: Mapping[str, str]) -> Transport:
    """A transport for ``http://``, ``https://`` (OTLP/HTTP) or ``grpc://``, ``grpcs://``."""
    headers = headers_of(environ)
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

        from spanledger.processors.delivery.http_reply import DeadlineAdapter

        self.target = endpoint.rstrip("/")
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, DeadlineAdapter())
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
        from urllib3 import Timeout

        try:
            with self._session.post(
                f"{self.target}/v1/{signal}",
                data=gzip.compress(request, 1),
                # `requests` hands it on as it is: one time for all, and not for each step.
                timeout=Timeout(total=timeout_s),  # type: ignore[arg-type]  # not in its types
                allow_redirects=False,
                stream=True,
            ) as response:
                body = response.raw.read(_MOST_REPLY_BYTES, decode_content=True)
        except Exception as error:  # noqa: BLE001 - of `requests`, urllib3 or the socket; or a bad address
            return Sent("retry", f"{type(error).__name__}: {error}")
        return _http_outcome(signal, response.status_code, response.headers, body)

    def close(self) -> None:
        self._session.close()


def _is_loopback(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _http_outcome(signal: Signal, status: int, headers: Mapping[str, str], body: bytes) -> Sent:
    if 200 <= status < 300:
        return _delivered(signal, body)
    detail = f"HTTP {status}: {body.decode('utf-8', 'replace')[:200]}"
    if status in _RETRY_HTTP:
        wait_s = retry_after_s(headers.get("retry-after"), now_s=time.time())
        return Sent("retry", detail, retry_after_s=wait_s)
    return Sent("refused", detail, by_content=status in _BY_CONTENT_HTTP)


def retry_after_s(text: str | None, *, now_s: float) -> float | None:
    """Seconds to wait, from seconds or from a date; None if it is neither."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        from email.utils import parsedate_to_datetime
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, OverflowError):
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
            return _grpc_outcome(error)
        except Exception as error:  # noqa: BLE001 - a closed channel, or too large a message
            return Sent("retry", f"{type(error).__name__}: {error}")
        return _delivered(signal, body)

    def close(self) -> None:
        self._channel.close()


def _grpc_outcome(error: Any) -> Sent:
    code, details = error.code().name, error.details() or ""
    detail = f"gRPC {code}: {details}"
    # The same code says "I am busy" and "this is too large for me", which it will always be.
    if code == "RESOURCE_EXHAUSTED" and "larger than max" in details:
        return Sent("refused", detail, by_content=True)
    if code in _RETRY_GRPC:
        return Sent("retry", detail, retry_after_s=_retry_info_s(error.trailing_metadata()))
    return Sent("refused", detail, by_content=code in _BY_CONTENT_GRPC)


def _retry_info_s(metadata: Any) -> float | None:
    """How long the server asks to be left alone, in seconds."""
    from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]  # has no types
        RetryInfo,
    )

    packed = next((value for name, value in metadata or () if name == _RETRY_INFO), None)
    if packed is None:
        return None
    delay = RetryInfo.FromString(packed).retry_delay
    return max(0.0, float(delay.seconds + delay.nanos / 1e9))


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
