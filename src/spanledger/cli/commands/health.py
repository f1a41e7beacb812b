"""`spanledger health`: how the agents' processes are, and the local stack."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from spanledger import stack
from spanledger.analytics import ProcessHealth, process_health
from spanledger.cli import _asking, _locate, _options, _output, _tables
from spanledger.health.scoring import state_of

_HEADINGS = ("service", "process", "state", "score", "CPU", "memory", "threads", "files", "told at")
_NOTHING = (
    "No process told of its health in this time. They do once metrics are exported: "
    "OTEL_METRICS_EXPORTER=otlp, and `spanledger run` or `opentelemetry-instrument`."
)


@click.command("health")
@_asking.since_option("15m")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(since: datetime | None, url: str | None, data_dir: Path | None, as_json: bool) -> int:
    """Show the last health of each agent's process, the worst first, and of the local stack.

    Exit code 1 if a process is unhealthy (a score below 50) or the stack takes no requests.

    Example: spanledger health --since 1h
    """
    with _locate.open_warehouse(url, data_dir) as warehouse:
        found = process_health(warehouse, since=since)
    local = _stack_health(_locate.warehouse_url(url, data_dir), data_dir)
    if as_json:
        processes = [{"state": _state(row), **_output.plain(row)} for row in found]
        _output.print_json({"since": since, "processes": processes, "stack": local})
    else:
        _show(found, local)
    problem = local is not None and local["problem"] is not None
    return int(problem or any(_state(row) == "unhealthy" for row in found))


def _stack_health(address: str, data_dir: Path | None) -> dict[str, Any] | None:
    """What the local stack says of itself, if it is the one that was asked."""
    running = stack.status(_locate.data_dir_of(data_dir))
    if running is None or address != running.clickhouse_url:
        return None
    return stack.health(running)


def _state(row: ProcessHealth) -> str:
    return "unknown" if row.score is None else state_of(row.score)


def _show(found: Sequence[ProcessHealth], local: dict[str, Any] | None) -> None:
    if found:
        _output.console().print(_tables.table(_HEADINGS, _rows(found), words=3))
    else:
        click.echo(_NOTHING)
    if local is not None:
        process = local["process"]
        memory = _megabytes(process["memory_bytes"])
        click.echo(f"stack: {local['problem'] or local['state']}, memory {memory}")


def _rows(found: Iterable[ProcessHealth]) -> Iterable[Sequence[str]]:
    for row in found:
        yield (
            row.service,
            row.pid,
            _state(row),
            _tables.NONE if row.score is None else f"{row.score:.0f}",
            _tables.percent(row.cpu),
            _megabytes(row.memory_bytes),
            _number(row.threads),
            _number(row.open_files),
            f"{row.told_at:%Y-%m-%d %H:%M:%S}",
        )


def _megabytes(size_bytes: int | None) -> str:
    return _tables.NONE if size_bytes is None else f"{size_bytes / 2**20:,.0f} MB"


def _number(count: int | None) -> str:
    return _tables.NONE if count is None else f"{count:,}"
