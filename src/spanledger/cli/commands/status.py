"""`spanledger status`: what runs, and what is in it."""

from pathlib import Path
from typing import Any

import click

from spanledger import stack
from spanledger.analytics import Totals, totals
from spanledger.cli import _locate, _options, _output
from spanledger.cli._format import counted, show_cost
from spanledger.cli.commands.up import public
from spanledger.warehouse import connect, plan


@click.command("status")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(url: str | None, data_dir: Path | None, as_json: bool) -> int:
    """Show whether the stack runs, whether its schema is current, and what it holds.

    Exit code 1 if nothing runs, it can't be reached, migrations are missing, or the stack takes
    no requests (its disk is full, say).

    Example: spanledger status --json
    """
    address = _locate.warehouse_url(url, data_dir)
    running = stack.status(_locate.data_dir_of(data_dir))
    local = running if running is not None and running.clickhouse_url == address else None
    with connect(address) as warehouse:
        missing = [str(migration) for migration in plan(warehouse)]
        facts: dict[str, Any] = {
            "clickhouse": str(warehouse.address),
            "server_version": warehouse.server_version,
            "pending_migrations": missing,
            "stack": public(local) if local else None,
            "health": stack.health(local) if local else None,
            "totals": None if missing else totals(warehouse),
        }
    if as_json:
        _output.print_json(facts)
    else:
        _show(facts)
    ill = facts["health"] is not None and facts["health"]["problem"] is not None
    return 1 if missing or ill else 0


def _show(facts: dict[str, Any]) -> None:
    local, missing, held = facts["stack"], facts["pending_migrations"], facts["totals"]
    lines = [f"ClickHouse  {facts['clickhouse']} ({facts['server_version']})"]
    if local is not None:
        lines += [
            f"stack       process {local['pid']}, since {local['started_at']:%Y-%m-%d %H:%M} UTC",
            f"OTLP/HTTP   {local['otlp_endpoint']}",
            f"OTLP/gRPC   {local['grpc_endpoint'] or 'not listening'}",
            f"data        {local['data_dir']}",
        ]
    if facts["health"] is not None:
        lines += _taken(facts["health"])
    pending = f"lacks {', '.join(missing)}; run `spanledger migrate`"
    lines.append(f"schema      {pending if missing else 'current'}")
    if held is not None:
        lines.append(f"holds       {_held(held)}")
    _output.console().print("\n".join(lines), soft_wrap=True)


def _taken(health: dict[str, Any]) -> list[str]:
    """What came in since the start, what waits, and what was refused for which reason."""
    received, waiting = health["received"], health["waiting"]
    rows = ", ".join(
        f"{received.get(f'{name}.rows', 0):,} {what}"
        for name, what in (("traces", "spans"), ("logs", "log records"), ("metrics", "points"))
    )
    last = health["last_insert_at"]
    lines = [
        f"received    {rows}; last {last[:19].replace('T', ' ') + ' UTC' if last else 'never'}",
        f"waiting     {counted(waiting['requests'], 'request')}, "
        f"{health['disk_free_bytes'] / 2**30:,.1f} GB of disk left",
    ]
    if health["problem"]:
        lines.append(f"problem     {health['problem']}")
    return lines + [f"refused     {n:,} × {why}" for why, n in health["refused"].items()]


def _held(held: Totals) -> str:
    calls, sessions = counted(held.calls, "call"), counted(held.sessions, "session")
    return f"{calls} in {sessions}, {show_cost(held.cost_usd, held.unpriced_calls)}"
