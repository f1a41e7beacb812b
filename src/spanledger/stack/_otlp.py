"""OTLP requests and answers: the three signals, their encodings, and ids in JSON. Pure."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.json_format import (  # type: ignore[import-untyped]  # no types shipped
    MessageToJson,
    ParseDict,
    ParseError,
)
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # as above
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from spanledger.stack._flatten import Flattened
from spanledger.stack._flatten_logs import flatten_logs
from spanledger.stack._flatten_metrics import flatten_metrics
from spanledger.stack._flatten_traces import flatten_traces
from spanledger.stack._journal import Entry

_ID_FIELDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


class MalformedRequest(ValueError):
    """A body that is not the OTLP request it should be."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of telemetry: its messages and its rows."""

    name: str
    service: str
    """Full name of the gRPC service."""
    rejected_field: str
    request: Callable[[], Any]
    response: Callable[[], Any]
    flatten: Callable[[Any], Flattened]
    layers: tuple[str, str, str]
    """Where the records are in a request: resources, their scopes, the records of those."""


TRACES: Final = Signal(
    "traces",
    "opentelemetry.proto.collector.trace.v1.TraceService",
    "rejected_spans",
    traces.ExportTraceServiceRequest,
    traces.ExportTraceServiceResponse,
    flatten_traces,
    ("resource_spans", "scope_spans", "spans"),
)
LOGS: Final = Signal(
    "logs",
    "opentelemetry.proto.collector.logs.v1.LogsService",
    "rejected_log_records",
    logs.ExportLogsServiceRequest,
    logs.ExportLogsServiceResponse,
    flatten_logs,
    ("resource_logs", "scope_logs", "log_records"),
)
METRICS: Final = Signal(
    "metrics",
    "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "rejected_data_points",
    metrics.ExportMetricsServiceRequest,
    metrics.ExportMetricsServiceResponse,
    flatten_metrics,
    ("resource_metrics", "scope_metrics", "metrics"),
)
SIGNALS: Final = (TRACES, LOGS, METRICS)


def decode_protobuf(signal: Signal, body: bytes) -> Any:
    """The request message in *body*.

    Raises:
        MalformedRequest: if it is not one.
    """
    message = signal.request()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise MalformedRequest(
            f"The body is not an OTLP {signal.name} request in protobuf ({error})."
        ) from error
    return message


def decode_json(signal: Signal, body: bytes) -> Any:
    """The request message in OTLP/JSON, whose ids are in hex where protobuf's own JSON form
    has base64.

    Raises:
        MalformedRequest: if it is not one.
    """
    try:
        tree = _with_base64_ids(json.loads(body))
        return ParseDict(tree, signal.request(), ignore_unknown_fields=True)
    except (ValueError, ParseError, RecursionError) as error:
        raise MalformedRequest(
            f"The body is not an OTLP {signal.name} request in JSON ({error})."
        ) from error


def decode_entry(signal: Signal, entry: Entry) -> Any:
    """The request message of a journal's entry.

    Raises:
        MalformedRequest: if it is not one.
    """
    return (decode_json if entry.as_json else decode_protobuf)(signal, entry.body)


def record_count(signal: Signal, message: Any) -> int:
    """How many spans, log records or metrics a request has."""
    return sum(len(records) for records in _record_lists(signal, message))


def narrow(signal: Signal, message: Any, first: int, last: int) -> Any:
    """*message* with its records *first* to before *last* only, and all that they belong to."""
    start = 0
    for records in _record_lists(signal, message):
        end = start + len(records)
        del records[max(0, last - start) :]
        del records[: max(0, first - start)]
        start = end
    return message


def _record_lists(signal: Signal, message: Any) -> Iterator[Any]:
    groups, scopes, records = signal.layers
    for group in getattr(message, groups):
        for scope in getattr(group, scopes):
            yield getattr(scope, records)


def encode_response(signal: Signal, flattened: Flattened, *, as_json: bool) -> bytes:
    """The answer to a request whose storable records are stored."""
    message = signal.response()
    if flattened.rejected:
        setattr(message.partial_success, signal.rejected_field, flattened.rejected)
        message.partial_success.error_message = "; ".join(
            f"{count} × {reason}" for reason, count in sorted(flattened.reasons.items())
        )
    if as_json:
        return str(MessageToJson(message, indent=None)).encode()
    return bytes(message.SerializeToString())


def _with_base64_ids(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_base64_ids(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _base64_id(value)
        if key in _ID_FIELDS and isinstance(value, str)
        else _with_base64_ids(value)
        for key, value in node.items()
    }


def _base64_id(text: str) -> str:
    try:
        return base64.b64encode(binascii.unhexlify(text)).decode()
    except binascii.Error as error:
        raise MalformedRequest(f"{text!r} is not an id in hex") from error
