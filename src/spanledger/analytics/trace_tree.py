"""What happened in one trace: its spans, and the tree that they are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from spanledger.analytics._money import usd
from spanledger.analytics._query import ask
from spanledger.semconv import AGENT_OPERATION, INFERENCE_OPERATIONS, TOOL_OPERATION
from spanledger.warehouse import Warehouse

SpanKind = Literal["session", "agent", "tool", "call", "other"]

_NOT_BILLED = frozenset({"shadow", "container", "refused"})


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One span. Texts are empty and numbers None where the span does not tell them."""

    span_id: str
    parent_span_id: str
    name: str
    service: str
    start_ns: int
    """Since the epoch."""
    duration_ns: int
    status: str
    """``Unset``, ``Ok`` or ``Error``."""
    status_message: str
    error_type: str
    kind: str
    """What `track` says it is."""
    operation: str
    agent: str
    tool: str
    provider: str
    model: str
    session_id: str
    billing: str
    decision: str
    reason: str
    rule: str
    provenance: str
    stream_outcome: str
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    reasoning_tokens: int | None
    cost_nano_usd: int | None

    @property
    def is_call(self) -> bool:
        """Whether this span is a call record: one attempt that counts."""
        return self.operation in INFERENCE_OPERATIONS and self.billing not in _NOT_BILLED

    @property
    def is_refused(self) -> bool:
        """Whether the guard did not let this call through."""
        return self.billing == "refused"

    @property
    def what(self) -> SpanKind:
        """What it stands for."""
        if self.operation in INFERENCE_OPERATIONS:
            return "call"
        if self.operation == TOOL_OPERATION:
            return "tool"
        if self.operation == AGENT_OPERATION:
            return "agent"
        return "session" if self.kind == "session" else "other"

    @property
    def failed(self) -> bool:
        return self.status == "Error"


@dataclass(slots=True)
class SpanNode:
    """A span with what it led to, and the totals of itself and everything below."""

    span: SpanRow
    children: list["SpanNode"] = field(default_factory=list)
    calls: int = 0
    refused_calls: int = 0
    unpriced_calls: int = 0
    tokens: int = 0
    cost_nano_usd: int = 0

    @property
    def cost_usd(self) -> Decimal | None:
        """What the subtree cost; None if it has calls and none has a known price."""
        if self.calls and self.unpriced_calls == self.calls:
            return None
        return usd(self.cost_nano_usd)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "SpanNode"]]:
        """This node and all below it with their depth, in the order in which they began."""
        pending = [(depth, self)]
        while pending:
            level, node = pending.pop()
            yield level, node
            pending.extend((level + 1, child) for child in reversed(node.children))


def trace_tree(warehouse: Warehouse, trace_id: str) -> list[SpanNode]:
    """The trees of a trace, usually one; empty if there is no such trace.

    A span whose parent was not received is a root of its own.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    return build_trees([SpanRow(**row) for row in ask(warehouse, "trace_tree", trace_id=trace_id)])


def build_trees(spans: Sequence[SpanRow]) -> list[SpanNode]:
    """The trees that spans form by their parents; children in the order they began. Pure."""
    ordered = sorted(spans, key=lambda span: (span.start_ns, span.span_id))
    nodes = {span.span_id: SpanNode(span) for span in ordered}
    children: dict[str, list[SpanNode]] = defaultdict(list)
    for node in nodes.values():
        children[node.span.parent_span_id].append(node)
    for span_id, node in nodes.items():
        node.children = children[span_id]
    roots = [node for node in nodes.values() if node.span.parent_span_id not in nodes]
    for root in roots:
        _add_up(root)
    return roots


def _add_up(root: SpanNode) -> None:
    """Totals from the leaves up, without recursion: a trace may be deeper than Python's stack."""
    for _, node in reversed(list(root.walk())):
        _count(node)
        for child in node.children:
            node.calls += child.calls
            node.refused_calls += child.refused_calls
            node.unpriced_calls += child.unpriced_calls
            node.tokens += child.tokens
            node.cost_nano_usd += child.cost_nano_usd


def _count(node: SpanNode) -> None:
    span = node.span
    node.refused_calls = int(span.is_refused)
    if not span.is_call:
        return
    node.calls = 1
    node.tokens = (span.input_tokens or 0) + (span.output_tokens or 0)
    if span.cost_nano_usd is None or span.provenance == "unpriced":
        node.unpriced_calls = 1
    else:
        node.cost_nano_usd = span.cost_nano_usd
