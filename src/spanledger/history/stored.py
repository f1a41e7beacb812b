"""Actions out of ClickHouse: SQL in ``sql/``, values bound by the server."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spanledger.history.action import Action
from spanledger.history.counts import ActionStatistics, NameStatistics
from spanledger.history.kinds import status_of
from spanledger.history.patterns import Step
from spanledger.history.related import Related, query_words
from spanledger.history.unknown import UnknownAction
from spanledger.warehouse import Warehouse, read_sql

_HOUR_US = 3_600_000_000
#: Looked back in these steps until enough is found: the newest hours are what is asked for most.
_LOOK_BACK_US = (_HOUR_US, 24 * _HOUR_US, 7 * 24 * _HOUR_US, 90 * 24 * _HOUR_US)
_MARGIN_US = 24 * _HOUR_US
_MOST_OF_TRACE = 5_000
_MOST_OF_SESSION = 500
_SESSIONS, _STEPS = 5_000, 200
_SHORTEST_ID = 4
_RESULT_CHARS = 500


class Stored:
    """The actions of one warehouse. Questions raise `WarehouseError`."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def actions(
        self,
        count: int,
        *,
        until_us: int,
        kind: str = "",
        session: str = "",
        agent: str = "",
        since_us: int = 0,
    ) -> list[Action]:
        """The newest `count` actions that ended before `until_us`, the newest first."""
        chosen = {"kind": kind, "session": session, "agent": agent}
        found: list[Action] = []
        for start_us in _starts(until_us, since_us):
            found = self._listed(count, since_us=start_us, until_us=until_us, **chosen)
            if len(found) >= count:
                break
        return self._with_contents(found)

    def find(self, action_id: str) -> tuple[str, str, int]:
        """Trace, span and time (µs) of the action with a span's or a call's id.

        Raises:
            UnknownAction: there is none, or several begin so.
        """
        wanted = action_id.strip().lower()
        if len(wanted) < _SHORTEST_ID:
            raise UnknownAction(f"{action_id[:64]!r} is too short for an id; give 4 digits or more")
        rows = self._ask("find", id=wanted, limit=5) or self._ask("find_typed", id=wanted, limit=5)
        exact = [row for row in rows if row["span_id"] == wanted] or rows
        if not exact:
            raise UnknownAction(
                f"no action has the id {action_id[:64]!r}; `spanledger history last` shows ids"
            )
        if len(exact) > 1:
            ids = ", ".join(row["span_id"] for row in exact)
            raise UnknownAction(f"several actions begin with {action_id[:64]!r}: {ids}")
        return exact[0]["trace_id"], exact[0]["span_id"], exact[0]["at_us"]

    def trace(self, trace_id: str, at_us: int) -> list[Action]:
        """The actions of one trace that was under way at `at_us`."""
        bounds = {"since_us": at_us - _MARGIN_US, "until_us": at_us + _MARGIN_US}
        rows = self._ask("spans", trace_ids=[trace_id], span_ids=[], limit=_MOST_OF_TRACE, **bounds)
        if rows:
            return [_action(row) for row in rows]
        return self._listed(_MOST_OF_TRACE, trace_id=trace_id, **bounds)

    def around(self, trace_id: str, at_us: int) -> list[Action]:
        """The actions of a trace, and those of its session on the day before."""
        own = self.trace(trace_id, at_us)
        session = next((action.session for action in own if action.session), "")
        if not session:
            return own
        since_us, until_us = at_us - _MARGIN_US, at_us + _MARGIN_US
        others = self._listed(
            _MOST_OF_SESSION, since_us=since_us, until_us=until_us, session=session
        )
        return own + self._with_contents([a for a in others if a.trace_id != trace_id])

    def related(self, query: str, *, since_us: int, limit: int, session: str = "") -> list[Related]:
        """Actions in which words of `query` occur, the best first."""
        words = query_words(query)
        rows = self._ask("related", words=words, since_us=since_us, session=session, limit=limit)
        return self.scored([(row, float(row["score"])) for row in rows])

    def scored(self, rows: Sequence[tuple[Mapping[str, Any], float]]) -> list[Related]:
        """The actions of rows with ``trace_id``, ``span_id`` and ``at_us``, with their scores."""
        known = self._by_identity([row for row, _ in rows])
        return [
            Related(known[row["trace_id"], row["span_id"]], round(score, 4))
            for row, score in rows
            if (row["trace_id"], row["span_id"]) in known
        ]

    def statistics(self, *, since_us: int, session: str = "", agent: str = "") -> ActionStatistics:
        """Counts by kind and name. Statuses are success and error: others need whole traces."""
        rows = self._ask("statistics", since_us=since_us, session=session, agent=agent)
        names = tuple(NameStatistics(**row) for row in rows)
        actions, failed = sum(n.actions for n in names), sum(n.failed for n in names)
        statuses = {"success": actions - failed, "error": failed}
        return ActionStatistics(actions, 0, statuses, names)

    def sequences(self, *, since_us: int, agent: str = "") -> list[tuple[Step, ...]]:
        """The steps of the newest sessions, each in its order."""
        rows = self._ask(
            "sequences", since_us=since_us, agent=agent, sessions=_SESSIONS, steps=_STEPS
        )
        return [tuple((kind, name) for kind, name in row["steps"]) for row in rows]

    # --- parts ------------------------------------------------------------------------------

    def _listed(self, limit: int, **chosen: Any) -> list[Action]:
        given = {"kind": "", "session": "", "agent": "", "trace_id": ""} | chosen
        return [_action(row) for row in self._ask("actions", limit=limit, **given)]

    def _by_identity(self, rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Action]:
        if not rows:
            return {}
        moments = [int(row["at_us"]) for row in rows]
        bounds = {"since_us": min(moments) - 1, "until_us": max(moments) + 1_000_000}
        found = self._spans(rows, bounds)
        for row in rows:
            # The span is gone, its typed row is not.
            if (row["trace_id"], row["span_id"]) not in found:
                listed = self._listed(_MOST_OF_TRACE, trace_id=row["trace_id"], **bounds)
                found |= {action.identity: action for action in listed}
        return found

    def _with_contents(self, actions: Sequence[Action]) -> list[Action]:
        """The same actions with what only their spans tell."""
        if not actions:
            return []
        starts = [action.started_ns // 1000 for action in actions]
        rows = [{"trace_id": a.trace_id, "span_id": a.span_id} for a in actions]
        bounds = {"since_us": min(starts) - 1, "until_us": max(starts) + 1_000_000}
        told = self._spans(rows, bounds)
        return [_merged(action, told.get(action.identity)) for action in actions]

    def _spans(
        self, rows: Iterable[Mapping[str, Any]], bounds: Mapping[str, int]
    ) -> dict[tuple[str, str], Action]:
        traces = sorted({row["trace_id"] for row in rows})
        spans = sorted({row["span_id"] for row in rows})
        found = self._ask("spans", trace_ids=traces, span_ids=spans, limit=_MOST_OF_TRACE, **bounds)
        return {action.identity: action for action in map(_action, found)}

    def _ask(self, name: str, /, **parameters: object) -> list[dict[str, Any]]:
        return self._warehouse.query(
            read_sql("spanledger.history", f"sql/{name}.sql"), **parameters
        )


def _starts(until_us: int, since_us: int) -> Iterable[int]:
    for span_us in _LOOK_BACK_US:
        if until_us - span_us > since_us:
            yield until_us - span_us
    yield since_us


def _merged(action: Action, span: Action | None) -> Action:
    """Cost and tokens stay those of the typed row, which may have been corrected."""
    if span is None:
        return action
    return replace(span, cost_nano_usd=action.cost_nano_usd, tokens=action.tokens)


def _action(row: Mapping[str, Any]) -> Action:
    kind = row["kind"]
    plain = {
        name: row[name]
        for name in (
            "trace_id", "span_id", "parent_span_id", "name", "started_ns", "duration_ns", "agent",
            "session", "user", "error_type", "message", "reason", "rule", "call_id", "tokens",
            "cost_nano_usd",
        )
    }  # fmt: skip
    return Action(
        **plain,
        kind=kind,
        status=status_of(
            kind,
            failed=bool(row["failed"]),
            told=row["told"],
            stream=row["stream"],
            finish_reasons=row["finish_reasons"],
        ),
        command=_cut(row["command"]),
        arguments=_cut(row["arguments"]),
        result=_cut(row["result"]),
    )


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= _RESULT_CHARS:
        return text
    return text[:_RESULT_CHARS] + "…"
