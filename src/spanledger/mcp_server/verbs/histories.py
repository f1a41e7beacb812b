"""What agents did, and why."""

from typing import Annotated, Literal

from pydantic import Field

from spanledger.history import Action, History, Kind
from spanledger.history.summary import summarize
from spanledger.mcp_server.answers import Answer, page, plain, short, usd, wanted
from spanledger.mcp_server.arguments import Agent, Limit, Offset, Session, Since, moment
from spanledger.mcp_server.place import Place

Language = Annotated[Literal["en", "id"], Field(description="Of the sentences.")]


class Histories:
    """The verbs."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def last_action(
        self,
        session: Session = "",
        agent: Agent = "",
        kind: Kind | None = None,
        limit: Limit = 1,
        offset: Offset = 0,
        language: Language = "en",
    ) -> Answer:
        """The newest actions, the newest first: command, tool or model, arguments, result, status
        (success, error, completed, incomplete, partial), and a summary of them. Contents are there
        only if the program records them."""
        history = History(self._place.warehouse, language=language)
        actions = history.actions(wanted(limit, offset), kind=kind, session=session, agent=agent)
        shown = page([told(action) for action in actions], limit, offset)
        summary = summarize(actions[offset : offset + limit], history.texts)
        return {**shown, "summary": list(summary.sentences)}

    def explain(
        self,
        action_id: Annotated[
            str,
            Field(
                max_length=200, description="Of its span, the first digits of that, or a call's."
            ),
        ],
        language: Language = "en",
    ) -> Answer:
        """Why an action was done: the command it served, what it was a part of, what failed before
        it, what it depended on, what it led to."""
        found = History(self._place.warehouse, language=language).explain(action_id)
        return {
            "sentences": list(found.sentences),
            "action": told(found.action),
            "command": found.command,
            "further_try": found.again,
            "part_of": [brief(each) for each in found.served],
            "failed_before": [brief(each) for each in found.failed_before],
            "depended_on": [brief(each) for each in found.depended_on],
            "led_to": [brief(each) for each in found.led_to[:20]],
        }

    def find_related(
        self,
        query: Annotated[str, Field(min_length=1, max_length=2_000, description="A few words.")],
        session: Session = "",
        since: Since = "30d",
        limit: Limit = 10,
        offset: Offset = 0,
    ) -> Answer:
        """Actions in whose names, failures or recorded contents the words occur, the best first."""
        found = History(self._place.warehouse).find_related(
            query, since=moment(since), session=session, limit=wanted(limit, offset)
        )
        return page([{"score": each.score, **told(each.action)} for each in found], limit, offset)


def told(action: Action) -> Answer:
    """An action, without what is not known of it."""
    return short(
        {
            "action_id": action.span_id,
            "trace_id": action.trace_id,
            "kind": action.kind,
            "name": action.name,
            "status": action.status,
            "started_at": plain(action.started_at),
            "duration_s": round(action.duration_s, 6),
            "agent": action.agent,
            "session": action.session,
            "user": action.user,
            "error_type": action.error_type,
            "message": action.message,
            "refused_because": action.reason,
            "rule": action.rule,
            "tokens": action.tokens,
            "cost_usd": usd(action.cost_nano_usd),
            "command": action.command,
            "arguments": action.arguments,
            "result": action.result,
        }
    )


def brief(action: Action) -> Answer:
    """An action that stands beside another one."""
    return short(
        {
            "action_id": action.span_id,
            "kind": action.kind,
            "name": action.name,
            "status": action.status,
            "error_type": action.error_type,
            "refused_because": action.reason,
        }
    )
