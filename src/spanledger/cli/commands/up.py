"""`spanledger up`: start the local stack."""

from pathlib import Path
from typing import Any, Literal

import click

from spanledger import stack
from spanledger.cli import _locate, _options, _output

_PORT = click.IntRange(0, 65535)


@click.command("up")
@_options.data_dir_option
@click.option("--otlp-port", type=_PORT, default=4318, show_default=True, help="For OTLP/HTTP.")
@click.option("--clickhouse-port", type=_PORT, default=8123, show_default=True, help="For queries.")
@click.option("--grpc-port", type=_PORT, default=4317, show_default=True, help="For OTLP/gRPC.")
@click.option(
    "--engine",
    type=click.Choice(["embedded", "server"]),
    default="embedded",
    show_default=True,
    help="server: run a ClickHouse program over the same files.",
)
@click.option(
    "--clickhouse",
    type=click.Path(path_type=Path, dir_okay=False),
    help="That program.  [default: clickhouse on the PATH]",
)
@_options.json_option
def command(
    data_dir: Path | None,
    otlp_port: int,
    clickhouse_port: int,
    grpc_port: int,
    engine: Literal["embedded", "server"],
    clickhouse: Path | None,
    as_json: bool,
) -> int:
    """Start the local stack: OTLP in, embedded ClickHouse, no server needed.

    One process in the background owns the data. If it runs already, this says where. Port 0
    takes any free port.

    Example: spanledger up --data-dir ./ledger --otlp-port 14318
    """
    folder = _locate.data_dir_of(data_dir)
    running = stack.status(folder)
    if running is None:
        with _output.progress("starting the local stack") as step:
            step("starting the local stack")
            info = stack.start(
                folder,
                clickhouse_port=clickhouse_port,
                otlp_port=otlp_port,
                grpc_port=grpc_port,
                engine=engine,
                clickhouse=clickhouse,
            )
    else:
        info = running
    if as_json:
        _output.print_json({**public(info), "started": running is None})
    else:
        _show(info, started=running is None)
    return 0


def public(info: stack.StackInfo) -> dict[str, Any]:
    """What may be printed: the query address holds the token, so only its place is shown."""
    return {
        "pid": info.pid,
        "data_dir": str(info.data_dir),
        "otlp_endpoint": info.otlp_endpoint,
        "grpc_endpoint": info.grpc_endpoint,
        "clickhouse": info.clickhouse_url.rpartition("@")[2],
        "engine": info.engine,
        "engine_version": info.engine_version,
        "started_at": info.started_at,
    }


def _show(info: stack.StackInfo, *, started: bool) -> None:
    screen = _output.console()
    screen.print(
        f"The local stack {'is up' if started else 'was up already'} (process {info.pid}, "
        f"ClickHouse {info.engine_version}).\n"
        f"  OTLP/HTTP   {info.otlp_endpoint}\n"
        f"  OTLP/gRPC   {info.grpc_endpoint or 'not listening'}\n"
        f"  ClickHouse  {info.clickhouse_url.rpartition('@')[2]}\n"
        f"  data        {info.data_dir}\n",
        soft_wrap=True,
    )
    screen.print(
        "Next:\n"
        f"  export OTEL_EXPORTER_OTLP_ENDPOINT={info.otlp_endpoint}\n"
        "  export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"
        "  opentelemetry-instrument python agent.py\n"
        "  spanledger report",
        soft_wrap=True,
    )
