"""`spanledger demo`: everything once, without a key."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from spanledger import stack
from spanledger.analytics import (
    CostRow,
    Dimension,
    RefusalRow,
    SpanNode,
    Totals,
    cost_report,
    refusals,
    totals,
    trace_tree,
)
from spanledger.cli import _demo, _locate, _options, _output
from spanledger.cli._report import report
from spanledger.cli._trace import waterfall
from spanledger.cli.commands.trace import as_tree

_DIMENSIONS: tuple[Dimension, ...] = ("agent", "model", "session")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the store says about the run."""

    ran: _demo.Ran
    trace_id: str
    rows: dict[str, list[CostRow]]
    total: Totals
    roots: list[SpanNode]
    refused: list[RefusalRow]


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave the stack running, with the demo's data.")
@_options.data_dir_option
@_options.json_option
def command(keep: bool, data_dir: Path | None, as_json: bool) -> int:
    """Run an agent with sub-agents, tools, a stream and a budget, and show what it cost.

    The agent uses the real openai and anthropic packages against local mock providers: no key,
    no internet. The local stack is used if it runs, else one is started for the demo and
    removed afterwards.

    Example: spanledger demo --keep
    """
    begin = time.monotonic()
    _demo.check_packages()
    given = data_dir or _locate.settings().warehouse.data_dir
    with _output.progress("starting the local stack") as step:
        step("starting the local stack (OTLP in, embedded ClickHouse)")
        with _demo.stack_for_demo(given, keep=keep) as info:
            seen = _run(info, step)
    if as_json:
        _output.print_json(_as_json(seen))
    else:
        _show(_output.console(), seen, time.monotonic() - begin)
    return 0


def _run(info: stack.StackInfo, step: Callable[[str], None]) -> _Seen:
    step("running the agent: opentelemetry-instrument python agent.py")
    ran = _demo.run_agent(info)
    step("reading the history")
    with _demo.connect_to(info) as warehouse:
        trace_id = _demo.wait_for_spans(warehouse, ran)
        rows: dict[str, list[CostRow]] = {
            by: cost_report(warehouse, by, session=ran.session) for by in _DIMENSIONS
        }
        total = totals(warehouse, session=ran.session)
        return _Seen(
            ran,
            trace_id,
            rows,
            total,
            trace_tree(warehouse, trace_id),
            refusals(warehouse, trace_id),
        )


def _show(screen: Console, seen: _Seen, duration_s: float) -> None:
    screen.print("$ opentelemetry-instrument python agent.py", style="bold")
    screen.print(seen.ran.output.rstrip())
    screen.print("\n$ spanledger report", style="bold")
    screen.print(report(seen.rows, seen.total))
    screen.print("\n$ spanledger trace --last", style="bold")
    screen.print(waterfall(seen.trace_id, seen.roots, seen.refused, screen.width))
    screen.print(
        f"\n{len(seen.ran.requests)} requests reached the providers, {seen.total.calls} calls are "
        f"in ClickHouse, {seen.total.refused_calls} was refused before it was sent. "
        f"{duration_s:.1f} s."
    )


def _as_json(seen: _Seen) -> dict[str, Any]:
    return {
        "session": seen.ran.session,
        "trace_id": seen.trace_id,
        "requests": [
            {"format": r.format, "model": r.model, "stream": r.stream, "status": r.status}
            for r in seen.ran.requests
        ],
        "by": seen.rows,
        "totals": seen.total,
        "roots": [as_tree(root) for root in seen.roots],
        "refusals": seen.refused,
    }
