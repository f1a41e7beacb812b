"""One node per open span: its parents, what its subtree has used, what to do when it ends.

The node hangs on the span object itself, so it lives exactly as long as the span and needs no
table that could leak. Nodes refer to nodes only, never to spans, so an ended child keeps
nothing of its ancestors' attributes alive.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from opentelemetry.trace import Span

from spanledger import semconv
from spanledger.track import Scope

_ATTRIBUTE = "_spanledger_node"

#: All totals of a process change under one lock: a call adds to a handful of nodes in a few
#: hundred nanoseconds, less than a lock for each node would cost. Re-entrant: the garbage
#: collector may end a call while this very thread adds another one.
_totals = threading.RLock()

Kind = Literal["inference", "other"]

#: What makes calls of its own: an inference span around one of these is not around a call of them.
_WORKERS = frozenset(
    {"session", "agent", "tool", semconv.AGENT_OPERATION, semconv.TOOL_OPERATION, "AGENT", "TOOL"}
)

#: Steps of a span that are remembered, the last ones.
_MOST_STEPS = 8


class Step(NamedTuple):
    """A span that has ended, in the memory of the one around it."""

    name: str
    label: str
    failed: bool
    started_ns: int
    ended_ns: int


class Node:
    """What we know of one open span. Counts are this span's subtree's, itself included."""

    __slots__ = (
        "baseline", "billed", "calls", "complete", "contents", "cost_nano_usd", "failure",
        "handled", "holds_call", "kind", "label", "name", "on_end", "parent", "scope",
        "started_ns", "steps", "tokens", "unpriced_calls",
    )  # fmt: skip

    def __init__(
        self,
        parent: "Node | None",
        kind: Kind,
        name: str = "",
        label: str = "",
        started_ns: int = 0,
    ) -> None:
        self.parent = parent
        self.kind = kind
        self.name = name
        #: What the span stands for: ``session``, ``tool``, ``chat`` …; empty if it does not say.
        self.label = label
        self.started_ns = started_ns
        #: What ended directly below this span, the last few; for the context of an error.
        self.steps: deque[Step] | None = None
        #: What the process used when this span began; read for sessions only.
        self.baseline: Any = None
        #: `id()` of the exception that was being dealt with when the span began: not its own.
        self.handled = 0 if (handled := sys.exception()) is None else id(handled)
        #: The context of the span's failure is on it already.
        self.failure = False
        self.cost_nano_usd = 0
        self.tokens = 0
        self.calls = 0
        self.unpriced_calls = 0
        #: It is the bill of a call that no gate saw.
        self.billed = False
        #: A call was counted below it, with no agent or tool between them: it only wraps that.
        self.holds_call = False
        #: Whom the span belongs to, as it was when the span began.
        self.scope: Scope | None = None
        #: All has been said about the span: nothing is left to do when it ends.
        self.complete = False
        #: What `processors.history` knows of commands, arguments and results, if anything.
        self.contents: Any = None
        #: Called with the span while it is still open, just before it ends.
        self.on_end: Callable[[Any], None] | None = None

    def inside_billed(self) -> bool:
        """Whether a span around this one is the bill of the same call."""
        node = self.parent
        while node is not None and not node.billed and node.label not in _WORKERS:
            node = node.parent
        return node is not None and node.billed

    def tell_parent(self, name: str, *, failed: bool, ended_ns: int) -> None:
        """Leave a note with the span around: this one is over."""
        parent = self.parent
        if parent is None:
            return
        if parent.steps is None:
            parent.steps = deque(maxlen=_MOST_STEPS)
        parent.steps.append(Step(name, self.label, failed, self.started_ns, ended_ns))

    def session_baseline(self) -> Any:
        """What the process used when the session around this span began; None if unknown."""
        node: Node | None = self
        while node is not None and node.baseline is None:
            node = node.parent
        return None if node is None else node.baseline

    def add(self, *, cost_nano_usd: int | None, tokens: int) -> None:
        """Count one call on this node and on all its ancestors."""
        node: Node | None = self
        wrapped = False
        with _totals:
            while node is not None:
                node.holds_call = node.holds_call or wrapped
                wrapped = (wrapped or node is self) and node.label not in _WORKERS
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
