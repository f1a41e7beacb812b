"""What happens to a span: attribution, totals, redaction, export. One concern a file."""

from spanledger.processors.attribution import AttributionProcessor
from spanledger.processors.export import Exporter, ExportOptions, ExportProcessor
from spanledger.processors.queue import Books
from spanledger.processors.sampling import RecordCallsSampler

__all__ = [
    "AttributionProcessor",
    "Books",
    "ExportOptions",
    "ExportProcessor",
    "Exporter",
    "RecordCallsSampler",
]
