"""What was done: one action of an agent, and how it went. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from spanledger.history.kinds import Kind, Status


@dataclass(frozen=True, slots=True)
class Action:
    """One tool call, model call, run of an agent, operation or session.

    Texts are empty where they are not known. `command`, `arguments` and `result` are None where
    content was not recorded.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    kind: Kind
    name: str
    """Of the tool, the model, the agent or the operation; the id of a session."""
    started_ns: int
    """Since the epoch."""
    duration_ns: int
    status: Status
    agent: str = ""
    session: str = ""
    user: str = ""
    error_type: str = ""
    message: str = ""
    """What its failure said."""
    reason: str = ""
    """Why the guard refused or cut it."""
    rule: str = ""
    """The guard's rule that did."""
    call_id: str = ""
    tokens: int | None = None
    cost_nano_usd: int | None = None
    """None: not known, or it is no model call."""
    command: str | None = None
    """What the user wanted when it was done."""
    arguments: str | None = None
    result: str | None = None

    @property
    def started_at(self) -> datetime:
        return datetime.fromtimestamp(self.started_ns / 1e9, UTC)

    @property
    def ended_ns(self) -> int:
        return self.started_ns + self.duration_ns

    @property
    def duration_s(self) -> float:
        return self.duration_ns / 1e9

    @property
    def failed(self) -> bool:
        return self.status == "error"

    @property
    def identity(self) -> tuple[str, str]:
        """The same for the same span, wherever it was read."""
        return self.trace_id, self.span_id


def settle(action: Action, below: Iterable[Action]) -> Status:
    """The status of what holds other actions: `partial` if one of them failed for good.

    A failure that was followed by a success of the same name has been mended.
    """
    if action.status != "completed":
        return action.status
    last: dict[tuple[Kind, str], Action] = {}
    for each in sorted(below, key=lambda each: each.ended_ns):
        last[each.kind, each.name] = each
    return "partial" if any(each.failed for each in last.values()) else "completed"
