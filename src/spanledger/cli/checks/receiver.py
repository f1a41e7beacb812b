"""Whether what an agent sends would arrive."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from spanledger.cli.checks._result import Result, fail, ok, warn
from spanledger.config import ConfigError, find_file, load_settings, read_document
from spanledger.processors.endpoint import endpoint_of
from spanledger.processors.transport import transport_to

_TIMEOUT_S = 3.0
_PORTS = {"http": 80, "https": 443, "grpc": 4317, "grpcs": 4317}
_MEND = (
    "Start it (`spanledger up` for the local stack), or correct OTEL_EXPORTER_OTLP_ENDPOINT "
    "and OTEL_EXPORTER_OTLP_PROTOCOL."
)


def check(environ: Mapping[str, str]) -> list[Result]:
    """Connect to the OTLP endpoint and send it a request without spans."""
    try:
        setting = load_settings(read_document(find_file(environ, Path.cwd()))).export.endpoint
    except ConfigError:
        setting = environ.get("SPANLEDGER_OTLP_ENDPOINT") or None
    endpoint = endpoint_of(setting, environ)
    parts = urlsplit(endpoint)
    try:
        address = (parts.hostname or "", parts.port or _PORTS[parts.scheme])
    except (KeyError, ValueError):
        return [fail("collector", f"{endpoint!r} is not an address.", _MEND)]
    if problem := _unreachable(address):
        return [fail("collector", f"{endpoint} can't be reached ({problem}).", _MEND)]
    return [_send_nothing(endpoint)]


def _unreachable(address: tuple[str, int]) -> str:
    try:
        with socket.create_connection(address, timeout=_TIMEOUT_S):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _send_nothing(endpoint: str) -> Result:
    transport = transport_to(endpoint, os.environ)
    try:
        sent = transport.send("traces", b"", timeout_s=_TIMEOUT_S)
    finally:
        transport.close()
    if sent.outcome == "delivered":
        return ok("collector", f"{endpoint} takes traces.")
    if sent.outcome == "retry":
        return warn("collector", f"{endpoint} answers, but not now ({sent.detail}).", _MEND)
    return fail("collector", f"{endpoint} does not take traces ({sent.detail}).", _MEND)
