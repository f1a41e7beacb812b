"""Rate limits: how fast, and how many at once."""

from typing import Annotated, Literal

from pydantic import Field

from spanledger.mcp_server.answers import Answer, page
from spanledger.mcp_server.arguments import Limit, Offset, RuleName
from spanledger.mcp_server.place import Place
from spanledger.mcp_server.verbs._rules import Match, ScopeOf, Value, facts, line


class RateLimits:
    """The verbs."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def rate_limit_set(
        self,
        name: RuleName,
        limit: Annotated[int, Field(ge=0, description="So many calls or tokens.")] | None = None,
        metric: Literal["calls", "tokens", "concurrency"] | None = None,
        per: Literal["second", "minute", "hour"] | None = None,
        scope: ScopeOf | None = None,
        match: Match | None = None,
    ) -> Answer:
        """Change a rate limit, or make one; what is not given stays as it is. `concurrency`
        counts calls at once and has no `per`."""
        self._place.require_writes()
        admin = self._place.admin
        told = None if limit is None else str(limit)
        admin.set_rate_limit(name, limit=told, metric=metric, per=per, scope=scope, match=match)
        return line(admin.rate_limit(name))

    def rate_limit_check(
        self,
        name: Annotated[str, Field(max_length=200, description="One rule; empty: all.")] = "",
        value: Value = "",
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> Answer:
        """What the sliding windows of rate limits hold now, and what is left."""
        admin = self._place.admin
        if name:
            return facts(admin.rate_limit(name), value, limit, offset)
        return page([line(use) for use in admin.rate_limits()], limit, offset)
