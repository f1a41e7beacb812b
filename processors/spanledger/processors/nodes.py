"""One node per open span: its parents, what its subtree has used, what to do when it ends.

The node hangs on the span object itself, so it lives exactly as long as the span and needs no
table that could leak. Nodes refer to nodes only, never to spans, so an ended child keeps
nothing of its ancestors' attributes alive.
"""

import threading
from collections.abc import Callable
from typing import Any, Literal

from opentelemetry.trace import Span

_ATTRIBUTE = "_spanledger_node"

#: All totals of a process change under one lock: a call adds to a handful of nodes in a few
#: hundred nanoseconds, less than a lock for each node would cost. Re-entrant: the garbage
#: collector may end a call while this very thread adds another one.
_totals = threading.RLock()

Kind = Literal["inference", "other"]


class Node:
    """What we know of one open span. Counts are this span's subtree's, itself included."""

    __slots__ = (
        "calls", "complete", "cost_nano_usd", "kind", "on_end", "parent", "tokens",
        "unpriced_calls",
    )  # fmt: skip

    def __init__(self, parent: "Node | None", kind: Kind) -> None:
        self.parent = parent
        self.kind = kind
        self.cost_nano_usd = 0
        self.tokens = 0
        self.calls = 0
        self.unpriced_calls = 0
        #: All has been said about the span: nothing is left to do when it ends.
        self.complete = False
        #: Called with the span while it is still open, just before it ends.
        self.on_end: Callable[[Any], None] | None = None

    def add(self, *, cost_nano_usd: int | None, tokens: int) -> None:
        """Count one call on this node and on all its ancestors."""
        node: Node | None = self
        with _totals:
            while node is not None:
                node.calls += 1
                node.tokens += tokens
                if cost_nano_usd is None:
                    node.unpriced_calls += 1
                else:
                    node.cost_nano_usd += cost_nano_usd
                node = node.parent


def attach(span: Span, node: Node) -> None:
    """Hang `node` on a recording span."""
    span.__dict__[_ATTRIBUTE] = node


def node_of(span: object) -> Node | None:
    """The node of a span; None for a span that is not recorded or not ours to see."""
    return getattr(span, _ATTRIBUTE, None)
