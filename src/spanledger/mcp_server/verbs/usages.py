"""What was used: calls, tokens, cost, failures, latency."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from spanledger import pricing
from spanledger.analytics import (
    ExportTable,
    Scope,
    SessionOrder,
    TrackedCall,
    UsageDimension,
    UsageRow,
    UsageWindow,
    export_count,
    refused_work,
    require_known,
    reset_preview,
    reset_scope,
    retries,
    session_outcomes,
    top_sessions,
    track_call,
    usage_stats,
)
from spanledger.mcp_server.answers import Answer, page, plain, short, wanted
from spanledger.mcp_server.arguments import (
    Agent,
    Limit,
    Model,
    Name,
    Offset,
    Service,
    Session,
    Since,
    Tokens,
    Until,
    User,
    moment,
    scopes,
)
from spanledger.mcp_server.place import Place
from spanledger.usage import Usage
from spanledger.warehouse import Warehouse

#: In which column of a view its rows have their time.
_TIMES: Final[Mapping[str, str]] = {
    "sessions": "last_call_at",
    "cost_hourly": "hour",
    "cost_daily": "day",
}
_MOST_NAMES = 5
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2105, 12, 31, tzinfo=UTC)


class Usages:
    """The verbs."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def usage_track_call(
        self,
        provider: Annotated[str, Field(min_length=1, max_length=1000, description="openai, …")],
        model: Annotated[str, Field(min_length=1, max_length=1000)],
        input_tokens: Annotated[Tokens, Field(description="Cached tokens included.")],
        output_tokens: Annotated[Tokens, Field(description="Reasoning included.")],
        cache_read_tokens: Tokens = 0,
        cache_write_tokens: Tokens = 0,
        reasoning_tokens: Tokens = 0,
        agent: Name = "",
        session: Name = "",
        user: Name = "",
        service: Name = "by-hand",
        duration_s: Annotated[float, Field(ge=0, le=86_400)] = 0.0,
        failed: bool = False,
    ) -> Answer:
        """Write down a model call that no program recorded, priced as if one had. Budgets do not
        count it."""
        usage = Usage(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            reasoning_tokens=reasoning_tokens,
        )
        now = datetime.now(UTC)
        cost = pricing.price(provider, model, usage, at=now)
        call = TrackedCall(
            provider=provider,
            model=model,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_read_tokens=cache_read_tokens,
            cache_write_tokens=cache_write_tokens,
            reasoning_tokens=reasoning_tokens,
            cost_nano_usd=cost.nano_usd,
            price_version=cost.price_version,
            agent=agent,
            session=session,
            user=user,
            service=service,
            duration_s=duration_s,
            failed=failed,
        )
        trace_id = track_call(self._place.warehouse, call, at=now)
        return {"trace_id": trace_id, "cost_usd": plain(call.cost_usd)}

    def usage_get_stats(
        self,
        by: UsageDimension = "agent",
        window: Annotated[
            UsageWindow, Field(description="A row for each of these; total: one in all.")
        ] = "total",
        agent: Agent = "",
        session: Session = "",
        user: User = "",
        model: Model = "",
        service: Service = "",
        since: Since = "30d",
        until: Until = "all",
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> Answer:
        """Calls, tokens by class, cost, averages, success rate and latency percentiles by agent,
        session, user, model, provider, tool, service or operation; the dearest first."""
        only = self._known(agent=agent, session=session, user=user, model=model, service=service)
        rows = usage_stats(
            self._place.warehouse,
            by,
            window=window,
            only=only,
            since=moment(since),
            until=moment(until),
            limit=wanted(limit, offset),
        )
        return page([_usage(row) for row in rows], limit, offset)

    def usage_get_report(
        self,
        agent: Agent = "",
        service: Service = "",
        since: Since = "7d",
        order: Annotated[SessionOrder, Field(description="Of the top sessions.")] = "cost",
    ) -> Answer:
        """An overview: totals, the dearest agents, models and sessions, what a successful session
        costs, what retries wasted, what the guard refused and what that saved."""
        warehouse, start = self._place.warehouse, moment(since)
        only = self._known(agent=agent, service=service)
        asked: dict[str, Any] = {"only": only, "since": start}
        few = {**asked, "limit": _MOST_NAMES}
        total = usage_stats(warehouse, "all", **asked)
        return {
            "since": plain(start),
            "total": _usage(total[0]) if total else None,
            "agents": [_usage(row) for row in usage_stats(warehouse, "agent", **few)],
            "models": [_usage(row) for row in usage_stats(warehouse, "model", **few)],
            "sessions": plain(top_sessions(warehouse, by=order, **few)),
            "outcomes": plain(session_outcomes(warehouse, **asked)),
            "retries": plain(retries(warehouse, **few)),
            "refused": plain(refused_work(warehouse, **few)),
        }

    def usage_export(
        self,
        table: ExportTable = "calls",
        form: Literal["json", "csv"] = "json",
        since: Since = "24h",
        until: Until = "all",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Answer:
        """Raw rows, a page at a time, with the number of all. For whole files, also Parquet, there
        is the command `spanledger usage export`."""
        warehouse, start, end = self._place.warehouse, moment(since), moment(until)
        total = export_count(warehouse, table, since=start, until=end)
        rows = _rows(warehouse, table, start, end, limit, offset)
        more = offset + len(rows) < total
        return {
            "table": table,
            "rows_total": total,
            "form": form,
            "text": _lines(rows, form),
            "next_offset": offset + limit if more and rows else None,
        }

    def usage_reset(
        self,
        by: Annotated[
            Literal["all", "service", "agent", "session", "user"],
            Field(description="Whose history; all: everything."),
        ],
        name: Name = "",
        confirm: Annotated[
            bool, Field(description="False: only count what would be deleted. Ask a person first.")
        ] = False,
    ) -> Answer:
        """Delete the history of a session, agent, user or service for good: spans, records,
        contents and decisions. What budgets have counted stays."""
        if confirm:
            self._place.require_writes()
        warehouse, scope = self._place.warehouse, Scope(by, name)
        if by != "all" and not name:
            raise ValueError(f"say which {by}, or choose all")
        require_known(warehouse, scope)
        counts = reset_scope(warehouse, scope) if confirm else reset_preview(warehouse, scope)
        return {"of": str(scope), "deleted": confirm, **plain(counts)}

    def _known(self, **names: str) -> list[Scope]:
        """Those that are given. Raises `UnknownName` for one that is not recorded."""
        only = scopes(**names)
        for scope in only:
            require_known(self._place.warehouse, scope)
        return only


def _usage(row: UsageRow) -> Answer:
    told = {
        **plain(row),
        "tokens": row.tokens,
        "average_cost_usd": plain(row.average_cost_usd),
        "average_tokens": _rounded(row.average_tokens, 1),
        "average_duration_s": _rounded(row.average_duration_s, 6),
        "success_rate": _rounded(row.success_rate, 4),
    }
    # An unpriced cost says something, the name of everything does not.
    return {**short(told), "cost_usd": told["cost_usd"]}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _rows(
    warehouse: Warehouse,
    table: ExportTable,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    offset: int,
) -> list[dict[str, Any]]:
    """In one order for every page. The names of table and column are of this module's tables."""
    column = _TIMES.get(table, "ts")
    moments = ["fromUnixTimestamp64Micro({since_us:Int64}, 'UTC')",
               "fromUnixTimestamp64Micro({until_us:Int64}, 'UTC')"]  # fmt: skip
    if table == "cost_daily":
        moments = [f"toDate({each})" for each in moments]
    sql = (
        f"SELECT * FROM {table} WHERE {column} >= {moments[0]} AND {column} < {moments[1]} "  # noqa: S608 - see above
        "ORDER BY ALL LIMIT {limit:UInt32} OFFSET {offset:UInt32}"
    )
    return warehouse.query(
        sql,
        since_us=int((since or _FIRST).timestamp() * 1e6),
        until_us=int((until or _LAST).timestamp() * 1e6),
        limit=limit,
        offset=offset,
    )


def _lines(rows: list[dict[str, Any]], form: str) -> str:
    if form == "json":
        return "\n".join(json.dumps(plain(row), ensure_ascii=False, default=str) for row in rows)
    written = io.StringIO()
    if rows:
        out = csv.DictWriter(written, list(rows[0]), lineterminator="\n")
        out.writeheader()
        out.writerows(plain(row) for row in rows)
    return written.getvalue()
