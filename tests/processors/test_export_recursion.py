"""The host instruments the very libraries that we send with. None of our requests is a span."""

import json
import subprocess
from pathlib import Path

import pytest

from spanledger.testing.otlp_server import HangReply, OtlpServer, Refuse
from tests.matrix._sets import clean_environment
from tests.matrix._venvs import EnvironmentUnavailable, python_of

_PREFIX = "opentelemetry-instrumentation"
REQUIREMENTS = (
    f"{_PREFIX}-requests>=0.60b0,<1",
    f"{_PREFIX}-httpx>=0.60b0,<1",
    f"{_PREFIX}-urllib3>=0.60b0,<1",
    f"{_PREFIX}-logging>=0.60b0,<1",
    "httpx>=0.28,<1",
)

PROGRAM = """
import json, logging, sys, time
import requests
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from spanledger.instrumentation import install

provider, seen = TracerProvider(), InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(seen))
trace.set_tracer_provider(provider)
for instrumentor in (
    HTTPXClientInstrumentor, LoggingInstrumentor, RequestsInstrumentor, URLLib3Instrumentor
):
    instrumentor().instrument()
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
made, again = install(), install()
assert made is again
assert len([p for p in provider._active_span_processor._span_processors]) == 3
for n in range(20):
    with trace.get_tracer("host").start_as_current_span(f"work {n}"):
        time.sleep(0.05)
try:
    # The host's own requests are spans, as always.
    requests.get(sys.argv[1], timeout=5)
except requests.RequestException:
    pass
made.flush(2.0)
books = made.exporter.books()
print(json.dumps({"names": [s.name for s in seen.get_finished_spans()], "books": books.accepted}))
"""


@pytest.fixture(scope="module")
def python() -> str:
    """An interpreter with these instrumentations; in ours they would trace every test."""
    try:
        return str(python_of("http-instrumentations", REQUIREMENTS))
    except EnvironmentUnavailable as reason:
        pytest.skip(f"no environment with the instrumentations: {reason}")


@pytest.mark.parametrize("collector", ["listening", "refusing", "hanging"])
def test_our_requests_make_no_spans(
    collector: str, python: str, otlp_server: OtlpServer, tmp_path: Path
) -> None:
    """Nor do our warnings. Each would be sent, by a request, which would be a span ..."""
    if collector == "refusing":
        otlp_server.always(Refuse(status=503))
    elif collector == "hanging":
        otlp_server.always(HangReply())
    environ = {
        **clean_environment(),
        "SPANLEDGER_DATA_DIR": str(tmp_path),
        "SPANLEDGER_STORE": "memory",
        "SPANLEDGER_OTLP_ENDPOINT": otlp_server.endpoint,
        "SPANLEDGER_EXPORT_INTERVAL_S": "0.05",
        "SPANLEDGER_EXPORT_TIMEOUT_S": "0.3",
        "SPANLEDGER_SHUTDOWN_TIMEOUT_S": "0.5",
    }
    done = subprocess.run(
        [python, "-c", PROGRAM, f"{otlp_server.endpoint}/hello"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    ours = [name for name in found["names"] if not name.startswith("work")]
    # Instrumented twice over (requests is built on urllib3), but only what the host asked for.
    assert ours in (["GET"], ["GET", "GET"])
    assert found["books"] == 20 + len(ours)
    assert len(otlp_server.requests) > 1
