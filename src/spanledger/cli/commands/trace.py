"""`spanledger trace`: one run, step by step."""

from pathlib import Path
from typing import Any

import click

from spanledger.analytics import SpanNode, find_traces, recent_traces, refusals, trace_tree
from spanledger.cli import _locate, _options, _output
from spanledger.cli._errors import CliError
from spanledger.cli._trace import waterfall
from spanledger.warehouse import Warehouse


@click.command("trace")
@click.argument("trace_id", metavar="[ID]", required=False)
@click.option("--last", is_flag=True, help="The newest trace.")
@_options.url_option
@_options.data_dir_option
@_options.json_option
def command(
    trace_id: str | None, last: bool, url: str | None, data_dir: Path | None, as_json: bool
) -> int:
    """Show a trace as a waterfall: who did what, how long, tokens, cost, errors, refusals.

    ID is a trace id or the beginning of one. Agents and sessions show the totals of everything
    below them.

    Example: spanledger trace --last
    """
    if last == bool(trace_id):
        raise click.UsageError("Give a trace id, or --last for the newest.")
    with _locate.open_warehouse(url, data_dir) as warehouse:
        found = _newest(warehouse) if last else _resolve(warehouse, str(trace_id))
        roots = trace_tree(warehouse, found)
        refused = refusals(warehouse, found)
    if as_json:
        trees = [as_tree(root) for root in roots]
        _output.print_json({"trace_id": found, "roots": trees, "refusals": refused})
    else:
        screen = _output.console()
        screen.print(waterfall(found, roots, refused, screen.width))
    return 0


def _newest(warehouse: Warehouse) -> str:
    newest = recent_traces(warehouse, limit=1)
    if not newest:
        raise CliError("no trace is recorded yet; run an agent with `opentelemetry-instrument`")
    return newest[0].trace_id


def _resolve(warehouse: Warehouse, prefix: str) -> str:
    found = find_traces(warehouse, prefix)
    if not found:
        raise CliError(
            f"no trace begins with {prefix[:64]!r}; `spanledger trace --last` shows the newest"
        )
    if len(found) > 1 and prefix.strip().lower() not in found:
        raise CliError(f"several traces begin with {prefix!r}: {', '.join(found)}; give more of it")
    return prefix.strip().lower() if len(found) > 1 else found[0]


def as_tree(root: SpanNode) -> dict[str, Any]:
    """A node with its children inside, without recursion."""
    made: dict[int, dict[str, Any]] = {}
    for _, node in reversed(list(root.walk())):
        made[id(node)] = {
            **_output.plain(node.span),
            "what": node.span.what,
            "subtree": {
                "calls": node.calls,
                "refused_calls": node.refused_calls,
                "unpriced_calls": node.unpriced_calls,
                "tokens": node.tokens,
                "cost_usd": _output.plain(node.cost_usd),
            },
            "children": [made[id(child)] for child in node.children],
        }
    return made[id(root)]
