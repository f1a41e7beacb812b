"""Stock OTLP exporters that would send every span a second time to where we send it.

Only such are replaced: exporters to any other place are the host's own business.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from spanledger.processors.endpoint import names_endpoint, same_place
from spanledger.processors.providers import remove

_STOCK = "opentelemetry.exporter.otlp."
#: Where a stock exporter goes when nobody told it where to go.
_UNSET = "http://localhost:4317"


def supersede(provider: TracerProvider, ours: str, environ: Mapping[str, str]) -> list[str]:
    """Take out stock OTLP exporters that go where `ours` goes; their addresses."""

    def doubles(processor: SpanProcessor) -> bool:
        target = stock_target(processor)
        if target is None:
            return False
        unset = not names_endpoint(environ) and same_place(target, _UNSET)
        return unset or same_place(target, ours)

    removed = remove(provider, doubles)
    addresses = [stock_target(processor) or "" for processor in removed]
    for processor in removed:
        # Its queue is empty this early; this stops its thread and closes its channel.
        processor.shutdown()
    return addresses


def stock_target(processor: SpanProcessor) -> str | None:
    """The address of the stock OTLP exporter that a processor feeds; None if it feeds another."""
    exporter = exporter_of(processor)
    if exporter is None or not type(exporter).__module__.startswith(_STOCK):
        return None
    endpoint = getattr(exporter, "_endpoint", None)
    return endpoint if isinstance(endpoint, str) else None


def exporter_of(processor: SpanProcessor) -> Any:
    """The exporter of one of the SDK's processors, whatever the SDK calls the attribute."""
    for owner in (processor, getattr(processor, "_batch_processor", None)):
        for name in ("span_exporter", "_exporter"):
            if (exporter := getattr(owner, name, None)) is not None:
                return exporter
    return None
