"""The bounds of the export, from the settings."""

from collections.abc import Mapping

from spanledger.config import Settings, default_data_dir
from spanledger.processors.endpoint import headers_of
from spanledger.processors.export import ExportOptions, SpoolOptions
from spanledger.processors.spool.place import destination_name

_MB = 1024 * 1024


def export_options(settings: Settings, endpoint: str, environ: Mapping[str, str]) -> ExportOptions:
    """What the exporter to `endpoint` may take: memory, disk, time."""
    export = settings.export
    return ExportOptions(
        queue_size=export.queue_size,
        queue_bytes=export.queue_max_mb * _MB,
        interval_s=export.interval_s,
        timeout_s=export.timeout_s,
        shutdown_timeout_s=export.shutdown_timeout_s,
        spool=_spool(settings, endpoint, environ),
    )


def _spool(settings: Settings, endpoint: str, environ: Mapping[str, str]) -> SpoolOptions | None:
    export = settings.export
    if not export.spool or not export.spool_max_mb:
        return None
    data_dir = settings.warehouse.data_dir or default_data_dir(environ)
    return SpoolOptions(
        root=export.spool_dir or data_dir / "spool",
        destination=destination_name(endpoint, headers_of(environ)),
        max_bytes=export.spool_max_mb * _MB,
    )
