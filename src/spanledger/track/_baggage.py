"""Session, agent and user as W3C baggage, for those who ask for it.

Baggage goes to every service that an instrumented client calls; the anthropic client sends it
to the provider. So it is off unless a setting says otherwise.
"""

from opentelemetry import baggage
from opentelemetry.context import Context

from spanledger import semconv


class _Choice:
    wanted = False


def use_baggage(wanted: bool) -> None:
    """Whether session, agent and user are put into baggage from now on."""
    _Choice.wanted = wanted


def wanted() -> bool:
    """Whether they are."""
    return _Choice.wanted


def told(context: Context, session: str | None, agent: str | None, user: str | None) -> Context:
    """`context` with what is known of the three in its baggage."""
    names = {semconv.SESSION_ID: session, semconv.AGENT_NAME: agent, semconv.USER_ID: user}
    for name, value in names.items():
        if value is not None:
            context = baggage.set_baggage(name, value, context)
    return context
