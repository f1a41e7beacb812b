"""What happens to a span: attribution, totals, redaction, export. One concern a file."""

from spanledger.processors.attribution import AttributionProcessor
from spanledger.processors.export import Exporter, ExportOptions, ExportProcessor, SpoolOptions
from spanledger.processors.queue import Books
from spanledger.processors.sampling import RecordCallsSampler
from spanledger.processors.spool import SpoolState, spool_state

__all__ = [
    "AttributionProcessor",
    "Books",
    "ExportOptions",
    "ExportProcessor",
    "Exporter",
    "RecordCallsSampler",
    "SpoolOptions",
    "SpoolState",
    "spool_state",
]
