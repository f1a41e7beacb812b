"""Runs step by step, and what failed."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from spanledger.analytics import (
    RefusalRow,
    SpanNode,
    find_traces,
    recent_errors,
    recent_traces,
    refusals,
    trace_tree,
)
from spanledger.mcp_server.answers import Answer, page, plain, short, usd, wanted
from spanledger.mcp_server.arguments import Agent, Limit, Offset, Session, Since, moment
from spanledger.mcp_server.place import Place
from spanledger.warehouse import Warehouse


class Traces:
    """The verbs."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def trace_get(
        self,
        trace_id: Annotated[
            str, Field(max_length=64, description="An id, the beginning of one, or: last.")
        ] = "last",
        session: Annotated[
            str, Field(max_length=1000, description="With last: the newest of this session.")
        ] = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Answer:
        """One run as a tree in order: who did what, how long, tokens, cost with everything below,
        failures; and what the guard refused in it."""
        warehouse = self._place.warehouse
        found = _resolved(warehouse, trace_id, session)
        roots = trace_tree(warehouse, found)
        lines = [_line(depth, node) for root in roots for depth, node in root.walk()]
        return {
            "trace_id": found,
            "spans_total": len(lines),
            "cost_usd": plain(_total(roots)),
            **page(lines, limit, offset),
            "refusals": [_refusal(row) for row in refusals(warehouse, found)[:20]],
        }

    def errors_recent(
        self,
        since: Since = "24h",
        agent: Agent = "",
        session: Session = "",
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> Answer:
        """The newest failures with their messages, each once, where it began. Those with the same
        error_group took the same way through the code."""
        rows = recent_errors(
            self._place.warehouse,
            since=moment(since),
            agent=agent,
            session=session,
            limit=wanted(limit, offset),
        )
        return page([short(plain(row)) for row in rows], limit, offset)


def _resolved(warehouse: Warehouse, trace_id: str, session: str) -> str:
    """The whole id. Raises `ValueError` if there is none, or several."""
    given = trace_id.strip().lower()
    if given == "last":
        newest = recent_traces(warehouse, limit=1, session=session)
        if not newest:
            raise ValueError(f"no trace is recorded{f' of session {session!r}' if session else ''}")
        return newest[0].trace_id
    found = find_traces(warehouse, given) if given else []
    if not found:
        raise ValueError(
            f"no trace begins with {trace_id!r}; errors_recent and last_action name some"
        )
    if len(found) > 1 and given not in found:
        raise ValueError(f"several traces begin with {trace_id!r}: {', '.join(found)}")
    return given if given in found else found[0]


def _line(depth: int, node: SpanNode) -> Answer:
    span = node.span
    told: dict[str, Any] = {
        "action_id": span.span_id,
        "what": span.what,
        "name": span.tool
        or span.model
        or (span.agent if span.what == "agent" else "")
        or span.name,
        "agent": span.agent,
        "started_at": plain(_time(span.start_ns)),
        "tokens": node.tokens or None,
        "cost_usd": plain(node.cost_usd) if node.calls else None,
        "calls": node.calls if span.what != "call" and node.calls else None,
        "unpriced_calls": node.unpriced_calls or None,
        "error_type": span.error_type if span.failed else None,
        "message": span.status_message if span.failed else None,
        "refused_because": span.reason,
        "rule": span.rule,
    }
    return {"depth": depth, "duration_s": round(span.duration_ns / 1e9, 6), **short(told)}


def _total(roots: list[SpanNode]) -> str | None:
    if all(root.cost_usd is None for root in roots):
        return None
    return usd(sum(root.cost_nano_usd for root in roots))


def _refusal(row: RefusalRow) -> Answer:
    """Amounts of costs are nano-dollars there; here everything is in dollars."""
    told = plain(row)
    if row.metric == "cost":
        for name in ("limit_amount", "spent_amount", "reserved_amount", "asked_amount"):
            value = getattr(row, name)
            told[name] = None if value is None else usd(int(value))
    return short(told)


def _time(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
