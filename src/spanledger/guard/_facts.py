"""A call that nobody makes, from what is known about it."""

from collections.abc import Mapping

from spanledger import pricing
from spanledger.guard._finding import AdminError
from spanledger.guard.decision import Call, Estimate
from spanledger.guard.estimates import estimate
from spanledger.guard.rules import TOOL_CALL

_NOTHING = Estimate(0, 0, 0, "none")


def call_of(
    *,
    model: str,
    provider: str,
    agents: tuple[str, ...],
    session: str | None,
    user: str | None,
    tool: str | None,
    attributes: Mapping[str, str],
    input_tokens: int,
    max_output_tokens: int | None,
    at: float,
) -> Call:
    """The call, with the estimate that it would have at `at` (seconds since the epoch).

    A provider that is not given is the one that sells the model. Raises `AdminError` if there
    is neither a model nor a tool.
    """
    if not model and not tool:
        raise AdminError("a call has a model, or is one of a tool; neither is given")
    if model and not provider:
        found = pricing.find("", model, at=at)
        provider = found.provider if found is not None else ""
    return Call(
        call_id="explain",
        provider=provider,
        model=model,
        operation="chat" if model else TOOL_CALL,
        estimate=estimate(
            provider=provider,
            model=model,
            operation="chat",
            input_bytes=max(0, input_tokens),
            max_output_tokens=max_output_tokens,
            choices=1,
            at=at,
        )
        if model
        else _NOTHING,
        session=session,
        agents=agents,
        user=user,
        tool=tool,
        attributes=attributes,
    )
