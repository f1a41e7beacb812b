"""What is sent, and by whom, when the program has a stock exporter of its own."""

import os
import subprocess
import sys

import pytest

from spanledger.testing.otlp_server import OtlpServer

# The host's exporter goes where the environment says, like ours.
PROGRAM = """
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from spanledger.instrumentation import install, uninstall

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
made = install()
with trace.get_tracer("host").start_as_current_span("work", attributes={"input.value": "said"}):
    pass
provider.shutdown()
print(made.superseded)
uninstall()
"""


def _run(server: OtlpServer, mode: str | None) -> str:
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SPANLEDGER_", "OTEL_"))
    }
    environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = server.endpoint
    if mode is not None:
        environ["SPANLEDGER_EXPORT"] = mode
    child = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return child.stdout.strip()


@pytest.mark.parametrize(
    ("mode", "copies", "with_content", "replaced"),
    [(None, 1, 0, True), ("on", 1, 0, True), ("alongside", 2, 1, False), ("off", 1, 1, False)],
)
def test_each_span_arrives_as_often_as_the_mode_says(
    mode: str | None, copies: int, with_content: int, replaced: bool, otlp_server: OtlpServer
) -> None:
    """Ours without content; the host's, where it stays, as it was."""
    superseded = _run(otlp_server, mode)
    work = [span for span in otlp_server.spans if span.name == "work"]
    assert len(work) == copies
    assert sum("input.value" in span.attributes for span in work) == with_content
    assert superseded == (f"['{otlp_server.endpoint}/v1/traces']" if replaced else "[]")
