"""Where our telemetry goes, and which of the host's exporters go to the same place. Pure.

Precedence: our own setting; else what OpenTelemetry's environment names, in its protocol;
else the local stack.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_ENDPOINT,
    OTEL_EXPORTER_OTLP_HEADERS,
    OTEL_EXPORTER_OTLP_PROTOCOL,
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL,
)
from opentelemetry.util.re import parse_env_headers

LOCAL_STACK = "http://127.0.0.1:4318"
_OTLP_PORTS = {4317, 4318}


def endpoint_of(setting: str | None, environ: Mapping[str, str]) -> str:
    """The base address to send to: ``http(s)://…`` for OTLP/HTTP, ``grpc(s)://…`` for gRPC."""
    if setting:
        return setting.rstrip("/")
    named = environ.get(OTEL_EXPORTER_OTLP_ENDPOINT, "").strip()
    traces = environ.get(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, "").strip()
    if not (named or traces):
        return LOCAL_STACK
    address = named or traces.removesuffix("/v1/traces")
    return _grpc(address) if _protocol(environ).startswith("grpc") else address.rstrip("/")


def headers_of(environ: Mapping[str, str]) -> Mapping[str, str]:
    """What the environment says to send with each request."""
    return parse_env_headers(environ.get(OTEL_EXPORTER_OTLP_HEADERS, ""), liberal=True)


def _protocol(environ: Mapping[str, str]) -> str:
    return environ.get(OTEL_EXPORTER_OTLP_TRACES_PROTOCOL, "").strip() or environ.get(
        OTEL_EXPORTER_OTLP_PROTOCOL, ""
    )


def _grpc(address: str) -> str:
    parts = urlsplit(address if "//" in address else f"http://{address}")
    return f"{'grpcs' if parts.scheme == 'https' else 'grpc'}://{parts.netloc}"


def same_place(ours: str, theirs: str) -> bool:
    """Whether two addresses reach the same collector: same host, OTLP's two ports being one."""
    (host, port), (other_host, other_port) = _host_port(ours), _host_port(theirs)
    return host == other_host and (port == other_port or {port, other_port} <= _OTLP_PORTS)


def _host_port(address: str) -> tuple[str, int | None]:
    parts = urlsplit(address if "//" in address else f"//{address}")
    host = parts.hostname or ""
    return ("127.0.0.1" if host in {"localhost", "::1"} else host), parts.port


def names_endpoint(environ: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's environment says where traces go."""
    return any(
        environ.get(name, "").strip()
        for name in (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)
    )
