"""What `install()` adds to the start of an agent: CPU time and memory beyond OpenTelemetry's own.

Fresh processes, in turn (A B A B …): one imports and sets up the OpenTelemetry SDK with its
OTLP exporter, the other does the same and installs Spanledger. Medians of the differences.

    python benchmarks/startup.py [--runs 15] [--json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from functools import cache

TARGET_CPU_MS = 60.0

_BASE = """
import resource, time
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.auto_instrumentation import initialize
provider = TracerProvider()
trace.set_tracer_provider(provider)
{install}
used = resource.getrusage(resource.RUSAGE_SELF)
print((used.ru_utime + used.ru_stime) * 1000, used.ru_maxrss / 1024)
import os; os._exit(0)
"""
INSTALL = "from spanledger.instrumentation import install; install()"


@cache
def _bytecode() -> tempfile.TemporaryDirectory[str]:
    """Where everything lies compiled, as after an installation.

    Otherwise a source that has changed since, or an environment that forbids the writing of
    bytecode, would have every process compile it again.
    """
    folder = tempfile.TemporaryDirectory()
    _process(INSTALL, folder.name)
    return folder


def _process(install: str, bytecode: str) -> str:
    """What one fresh process prints."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    result = subprocess.run(
        [sys.executable, "-c", _BASE.format(install=install)],
        check=True,
        capture_output=True,
        text=True,
        env={**kept, "PYTHONPYCACHEPREFIX": bytecode},
    )
    return result.stdout


def run(install: str) -> tuple[float, float]:
    """CPU milliseconds and resident MiB of one fresh process."""
    cpu_ms, rss_mib = _process(install, _bytecode().name).split()
    return float(cpu_ms), float(rss_mib)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    pairs = [(run(""), run(INSTALL)) for _ in range(arguments.runs)]
    cpu_ms = statistics.median(ours[0] - base[0] for base, ours in pairs)
    rss_mib = statistics.median(ours[1] - base[1] for base, ours in pairs)
    if arguments.json:
        print(json.dumps({"cpu_ms": cpu_ms, "rss_mib": rss_mib, "target_cpu_ms": TARGET_CPU_MS}))
        return
    print(f"install(): +{cpu_ms:.1f} ms CPU (target ≤ {TARGET_CPU_MS:.0f}), +{rss_mib:.1f} MiB")


if __name__ == "__main__":
    main()
