"""Questions about the history: one a file, its SQL in ``sql/``, values bound by the server.

>>> from spanledger.analytics import cost_report
>>> from spanledger.warehouse import connect
>>> cost_report(connect("http://user:password@127.0.0.1:8123/spanledger"))  # doctest: +SKIP
"""

from spanledger.analytics.cost_report import DIMENSIONS, CostRow, Dimension, cost_report
from spanledger.analytics.recent_traces import TraceRow, find_traces, recent_traces
from spanledger.analytics.refusals import RefusalRow, refusals
from spanledger.analytics.totals import Totals, totals
from spanledger.analytics.trace_tree import SpanNode, SpanRow, build_trees, trace_tree

__all__ = [
    "DIMENSIONS",
    "CostRow",
    "Dimension",
    "RefusalRow",
    "SpanNode",
    "SpanRow",
    "Totals",
    "TraceRow",
    "build_trees",
    "cost_report",
    "find_traces",
    "recent_traces",
    "refusals",
    "totals",
    "trace_tree",
]
