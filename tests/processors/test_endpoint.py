"""Where telemetry goes, and which exporters go to the same place."""

from collections.abc import Iterator

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
)

from spanledger.processors.endpoint import endpoint_of, names_endpoint, same_place
from spanledger.processors.providers import processors_of
from spanledger.processors.superseded import stock_target, supersede

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
TRACES_PROTOCOL = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
LOCAL = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("setting", "environ", "endpoint"),
    [
        (None, {}, LOCAL),
        (None, {ENDPOINT: "  "}, LOCAL),
        (None, {PROTOCOL: "grpc"}, LOCAL),
        ("http://a:1/", {ENDPOINT: "http://b:2"}, "http://a:1"),
        (None, {ENDPOINT: "http://b:4318/"}, "http://b:4318"),
        (None, {TRACES: "http://b:4318/v1/traces"}, "http://b:4318"),
        (None, {ENDPOINT: "http://b:4317", PROTOCOL: "grpc"}, "grpc://b:4317"),
        (None, {ENDPOINT: "https://b:4317", PROTOCOL: "grpc"}, "grpcs://b:4317"),
        (None, {ENDPOINT: "b:4317", PROTOCOL: "grpc"}, "grpc://b:4317"),
        (None, {ENDPOINT: "http://b:4317", TRACES_PROTOCOL: "grpc"}, "grpc://b:4317"),
        (
            None,
            {ENDPOINT: "http://b:1", PROTOCOL: "grpc", TRACES_PROTOCOL: "http/protobuf"},
            "http://b:1",
        ),
    ],
)
def test_our_setting_beats_opentelemetrys_which_beats_the_local_stack(
    setting: str | None, environ: dict[str, str], endpoint: str
) -> None:
    """And the protocol is the environment's."""
    assert endpoint_of(setting, environ) == endpoint


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (LOCAL, "http://localhost:4318/v1/traces", True),
        (LOCAL, "localhost:4317", True),
        (LOCAL, "http://[::1]:4318/v1/traces", True),
        (LOCAL, "http://127.0.0.1:9999/v1/traces", False),
        (LOCAL, "http://collector:4318/v1/traces", False),
        ("grpc://collector:4317", "collector:4317", True),
        ("https://collector", "https://collector/v1/traces", True),
        ("http://a:5000", "http://a:5001/v1/traces", False),
    ],
)
def test_the_same_collector_is_known_under_all_its_names(
    ours: str, theirs: str, same: bool
) -> None:
    """OTLP's two ports of one host are one collector."""
    assert same_place(ours, theirs) is same
    assert same_place(theirs, ours) is same


def test_the_environment_names_an_endpoint_or_does_not() -> None:
    """A blank one is none."""
    assert not names_endpoint({})
    assert not names_endpoint({ENDPOINT: " "})
    assert names_endpoint({TRACES: "http://a"})


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    """A provider that is stopped at the end."""
    provider = TracerProvider(shutdown_on_exit=False)
    yield provider
    provider.shutdown()


def _batch(exporter: SpanExporter) -> SpanProcessor:
    return BatchSpanProcessor(exporter)


@pytest.mark.parametrize("wrap", [BatchSpanProcessor, SimpleSpanProcessor])
def test_stock_exporters_to_the_same_place_are_replaced(
    wrap: type[BatchSpanProcessor] | type[SimpleSpanProcessor], provider: TracerProvider
) -> None:
    """HTTP and gRPC, in either processor; each span would arrive twice."""
    provider.add_span_processor(wrap(HttpExporter(endpoint="http://localhost:4318/v1/traces")))
    provider.add_span_processor(wrap(GrpcExporter(endpoint="localhost:4317", insecure=True)))
    removed = supersede(provider, LOCAL, {ENDPOINT: LOCAL})
    assert removed == ["http://localhost:4318/v1/traces", "localhost:4317"]
    assert processors_of(provider) == ()


def test_exporters_to_another_place_and_of_another_kind_are_kept(
    provider: TracerProvider,
) -> None:
    """They are the host's own business."""
    kept = [
        _batch(HttpExporter(endpoint="http://127.0.0.1:9/v1/traces")),
        SimpleSpanProcessor(ConsoleSpanExporter()),
    ]
    for processor in kept:
        provider.add_span_processor(processor)
    assert supersede(provider, LOCAL, {ENDPOINT: LOCAL}) == []
    assert processors_of(provider) == tuple(kept)


def test_an_exporter_that_nobody_pointed_anywhere_is_replaced_by_one_that_was(
    provider: TracerProvider,
) -> None:
    """The distro's default would knock at a port on which nobody listens, for ever."""
    provider.add_span_processor(_batch(GrpcExporter()))
    assert supersede(provider, "http://collector.example:4318", {}) == ["localhost:4317"]
    assert processors_of(provider) == ()


def test_an_exporter_whose_place_is_not_known_is_kept() -> None:
    """A subclass or another exporter altogether."""

    class Mine(ConsoleSpanExporter):
        _endpoint = LOCAL

    assert stock_target(SimpleSpanProcessor(Mine())) is None
    assert stock_target(SpanProcessor()) is None
