"""A service that tells its exporter's books as metrics, and forks a worker that does the same.

argument: what it has accepted in the end. Its worker accepts 20, of which 3 are still there.
"""

import os
import sys

from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from spanledger.processors.metrics import observe_books
from spanledger.processors.queue import Books

NEVER_MS = 86_400_000


def main(accepted: int) -> None:
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(), NEVER_MS)
    provider = MeterProvider([reader])
    metrics.set_meter_provider(provider)
    books = Books(accepted=100, delivered=100)
    observe_books(lambda: books)

    def tell(*those: Books) -> None:
        nonlocal books
        for books in those:  # noqa: B007 - it is what is observed
            assert provider.force_flush()

    tell(books)
    worker = os.fork()
    if not worker:
        tell(Books(accepted=10, delivered=10), Books(accepted=20, delivered=17, spooled=3))
        os._exit(0)
    assert os.waitpid(worker, 0)[1] == 0
    tell(Books(accepted=accepted, delivered=accepted - 5, spooled=5))


main(int(sys.argv[1]))
