"""Why the guard would refuse a call."""

from typing import Annotated, Any

from pydantic import Field

from spanledger.guard import Explanation, RuleVerdict
from spanledger.mcp_server.answers import Answer, short
from spanledger.mcp_server.arguments import Name, Tokens
from spanledger.mcp_server.place import Place
from spanledger.mcp_server.verbs._rules import amount


class Guards:
    """The verb."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def guard_explain(
        self,
        model: Name = "",
        provider: Name = "",
        agents: Annotated[
            list[Name] | None, Field(description="The agents that call, the outermost first.")
        ] = None,
        session: Name = "",
        user: Name = "",
        tool: Annotated[Name, Field(description="Without a model: a call of the tool.")] = "",
        attributes: Annotated[
            dict[str, str] | None, Field(description="What else rules ask for, by name.")
        ] = None,
        input_tokens: Tokens = 0,
        max_output_tokens: Tokens | None = None,
    ) -> Answer:
        """Whether a call with these facts would be refused now, and what each rule says to it.
        Nothing is reserved or counted."""
        found = self._place.admin.explain(
            model=model,
            provider=provider,
            agents=tuple(agents or ()),
            session=session or None,
            user=user or None,
            tool=tool or None,
            attributes=attributes or {},
            input_tokens=input_tokens,
            max_output_tokens=max_output_tokens,
        )
        return _facts(found)


def _facts(found: Explanation) -> Answer:
    refusal, estimate = found.refusal, found.call.estimate
    return {
        "allowed": found.allowed,
        "reason": found.reason,
        "sentence": None if refusal is None else refusal.sentence(),
        "retry_after_s": None if refusal is None else refusal.retry_after_s,
        "waits_s": found.waits_s,
        "estimate": {
            "input_tokens": estimate.input_tokens,
            "output_tokens": estimate.output_tokens,
            "cost_usd": amount("cost", estimate.cost_nano_usd),
        },
        "rules": [_verdict(verdict) for verdict in found.rules],
    }


def _verdict(verdict: RuleVerdict) -> Answer:
    metric, refusal = verdict.metric, verdict.refusal
    told: dict[str, Any] = {
        "rule": verdict.rule,
        "kind": verdict.kind,
        "scope": verdict.scope,
        "metric": metric,
        "window": verdict.window,
        "limit": amount(metric, verdict.limit),
        "spent": amount(metric, verdict.spent),
        "reserved": amount(metric, verdict.reserved),
        "asked": amount(metric, verdict.asked),
        "reason": None if refusal is None else refusal.reason,
        "advice": None if refusal is None else refusal.advice,
    }
    return {**short(told), "fits": verdict.fits if verdict.known else None}
