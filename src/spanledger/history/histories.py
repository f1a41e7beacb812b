"""The questions, over the ring of this process, a warehouse, or both."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from spanledger.history import chain, counts, patterns, summary
from spanledger.history import related as by_words
from spanledger.history.action import Action
from spanledger.history.chain import Explanation
from spanledger.history.counts import ActionStatistics
from spanledger.history.kinds import KINDS, Kind
from spanledger.history.patterns import Cluster, NextAction, Step, Unusual
from spanledger.history.related import Related
from spanledger.history.ring import Noted, Ring, current_language, current_ring
from spanledger.history.stored import Stored
from spanledger.history.summary import Summary
from spanledger.history.texts import Texts, texts_of
from spanledger.history.unknown import UnknownAction
from spanledger.history.vectors import Embedder, Vectors
from spanledger.track import current_scope
from spanledger.warehouse import Warehouse

#: What an agent means by "what did I do": not what only holds these.
_STEPS = frozenset({"tool", "call"})
#: So many actions are compared where somebody asks what is alike or stands out.
_COMPARED = 1_000
_LATER_US = 3_600_000_000
#: What came next is counted over the sessions of so long.
_WEEK_US = 7 * 24 * 3_600_000_000


class History:
    """Questions about what was done.

    Args:
        warehouse: Where older actions are, and those of other processes; None: only the ring of
            this process answers.
        ring: By default the one of this process, if it keeps one.
        language: Of sentences; by default the setting ``history.language``.
        embedder: With one, `find_related` finds by meaning (see `index`).
        clock: Seconds since the epoch.

    Inside a session, questions without an id are about that session only: other users' actions
    are nobody else's business. Questions to a warehouse raise `WarehouseError`.

    Raises:
        ValueError: there is no such language.
    """

    def __init__(
        self,
        warehouse: Warehouse | None = None,
        *,
        ring: Ring | None = None,
        language: str | None = None,
        embedder: Embedder | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ring = ring
        self._texts = texts_of(language or current_language())
        self._stored = None if warehouse is None else Stored(warehouse)
        self._vectors = None
        if warehouse is not None and embedder is not None:
            self._vectors = Vectors(warehouse, embedder)
        self._clock = clock

    @property
    def texts(self) -> Texts:
        return self._texts

    # --- one --------------------------------------------------------------------------------

    def last_action(self, kind: Kind | None = None, *, session: str | None = None) -> Action | None:
        """The newest tool or model call, or the newest action of a `kind`; None: there is none.

        Raises:
            ValueError: there is no such kind.
        """
        wanted = _STEPS if kind is None else frozenset({_checked(kind)})
        session = _session(session)
        if (ring := self._here()) is not None:
            found = ring.newest(lambda noted: noted.kind in wanted and _of(noted, session))
            if found is not None:
                return found
        newest = self.actions(1, kind=kind, session=session)
        return newest[0] if newest else None

    def explain_last_action(self, *, session: str | None = None) -> Explanation:
        """Why the newest tool or model call was done.

        Raises:
            UnknownAction: nothing was done yet.
        """
        last = self.last_action(session=session)
        if last is None:
            raise UnknownAction(
                "no action is recorded here yet; call a model or a tool under "
                "`opentelemetry-instrument`, or give a warehouse"
            )
        return self.explain(last)

    def explain(self, action: Action | str) -> Explanation:
        """Why an action was done: the command it served, what failed before, what it needed.

        `action` may be the id of its span, the first digits of that, or the id of a call.

        Raises:
            UnknownAction: none has this id, or several have.
        """
        found = action if isinstance(action, Action) else self._found(action)
        return chain.explain(found, self._around(found), self._texts)

    def _found(self, action_id: str) -> Action:
        wanted = action_id.strip().lower()
        here = [each for each in self._noted() if _is(each, wanted)]
        if len(here) == 1:
            return here[0]
        if self._stored is None:
            what = "several actions here begin with" if here else "no action here has the id"
            raise UnknownAction(f"{what} {action_id[:64]!r}; older ones are in the warehouse")
        trace_id, span_id, at_us = self._stored.find(action_id)
        trace = self._stored.trace(trace_id, at_us)
        for each in trace:
            if each.span_id == span_id:
                return each
        raise UnknownAction(f"the span {span_id} is no action: no call, tool, agent or operation")

    def _around(self, action: Action) -> list[Action]:
        here = self._noted()
        if any(each.identity == action.identity for each in here) or self._stored is None:
            return here
        return self._stored.around(action.trace_id, action.started_ns // 1000)

    # --- several ----------------------------------------------------------------------------

    def actions(
        self,
        count: int = 10,
        *,
        kind: Kind | None = None,
        session: str | None = None,
        agent: str = "",
    ) -> list[Action]:
        """The newest `count` actions, the newest first. ``session=""``: those of all.

        Raises:
            ValueError: `count` is below 1, or there is no such kind.
        """
        if count < 1:
            raise ValueError(f"a number of actions is 1 or more, not {count}")
        chosen_kind = "" if kind is None else _checked(kind)
        session = _session(session)
        noted = [
            each
            for each in self._noted()
            if chosen_kind in {"", each.kind}
            and session in {"", each.session}
            and agent in {"", each.agent}
        ]
        if self._stored is None or len(noted) >= count:
            return noted[:count]
        stored = self._stored.actions(
            count, until_us=self._until_us(), kind=chosen_kind, session=session, agent=agent
        )
        return _merged(noted, stored)[:count]

    def summarize(self, n: int = 10, *, session: str | None = None, agent: str = "") -> Summary:
        """The last `n` actions and what they come to, in a few sentences."""
        actions = self.actions(n, session=session, agent=agent)
        return summary.summarize(chain.told(actions), self._texts)

    def chain_of(self, action_id: str) -> list[Action]:
        """All actions of the trace in which an action was done, the first first.

        Raises:
            UnknownAction: none has this id, or several have.
        """
        found = self._found(action_id)
        around = self._around(found)
        same = [each for each in around if each.trace_id == found.trace_id]
        return sorted(chain.told(same), key=lambda each: (each.started_ns, each.span_id))

    def find_related(
        self,
        query: str,
        *,
        limit: int = 10,
        since: datetime | None = None,
        session: str | None = None,
    ) -> list[Related]:
        """Actions that have to do with some words, the best first.

        By the words of names, failures and recorded contents; with an embedder by meaning.

        Raises:
            ValueError: `query` has no word, or `limit` is below 1.
        """
        if limit < 1:
            raise ValueError(f"a number of actions is 1 or more, not {limit}")
        session = _session(session)
        noted = [each for each in self._noted() if session in {"", each.session}]
        found = by_words.related(noted, query, limit=limit)
        if self._stored is None:
            return found
        since_us = self._since_us(since)
        if self._vectors is not None:
            near = self._vectors.near(query, since_us=since_us, session=session, limit=limit)
            return self._stored.scored(near)
        older = self._stored.related(query, since_us=since_us, session=session, limit=limit)
        return _best(found, older, limit)

    def statistics(
        self, *, since: datetime | None = None, session: str | None = None, agent: str = ""
    ) -> ActionStatistics:
        """How often, how well, how long and at what cost, by kind and name.

        With a warehouse over everything `since` then (30 days), else over the ring.
        """
        session = _session(session)
        if self._stored is None:
            noted = [each for each in self._noted() if agent in {"", each.agent}]
            return counts.statistics(
                chain.told([each for each in noted if session in {"", each.session}])
            )
        return self._stored.statistics(since_us=self._since_us(since), session=session, agent=agent)

    # --- patterns ---------------------------------------------------------------------------

    def similar(
        self, count: int = _COMPARED, *, session: str | None = None, agent: str = ""
    ) -> list[Cluster]:
        """Groups of similar actions among the last `count`, the largest first."""
        return patterns.similar(self.actions(count, session=session, agent=agent))

    def unusual(
        self, count: int = _COMPARED, *, session: str | None = None, agent: str = ""
    ) -> list[Unusual]:
        """Which of the last `count` actions stand out, and why, the newest first."""
        return patterns.unusual(self.actions(count, session=session, agent=agent), self._texts)

    def next_actions(
        self,
        *,
        after: Sequence[Step] | None = None,
        session: str | None = None,
        agent: str = "",
        most: int = 5,
    ) -> list[NextAction]:
        """What most often came after these steps before, with counts.

        By default after the last steps of the session one is in. ``("tool", "search")`` is a step.
        """
        if after is None:
            last = self.actions(20, session=session, agent=agent)
            after = [(a.kind, a.name) for a in reversed(last) if a.kind in _STEPS][-2:]
        if self._stored is None:
            return patterns.next_actions(self._noted(), after, most=most)
        since_us = self._until_us() - _WEEK_US
        sequences = self._stored.sequences(since_us=since_us, agent=agent)
        return patterns.after(sequences, after, most=most)

    def index(self, *, since: datetime | None = None, most: int = 10_000) -> int:
        """Write the vectors of stored actions that have none yet; how many that were.

        Raises:
            ValueError: there is no warehouse, or no embedder.
        """
        if self._vectors is None or self._stored is None:
            raise ValueError("vectors need a warehouse and an embedder: History(…, embedder=…)")
        actions = self._stored.actions(
            most, until_us=self._until_us(), since_us=self._since_us(since)
        )
        return self._vectors.write(actions)

    # --- parts ------------------------------------------------------------------------------

    def _here(self) -> Ring | None:
        return current_ring() if self._ring is None else self._ring

    def _noted(self) -> list[Action]:
        ring = self._here()
        return [] if ring is None else ring.last()

    def _until_us(self) -> int:
        """Clocks of machines differ: what comes from the near future is asked for as well."""
        return int(self._clock() * 1e6) + _LATER_US

    def _since_us(self, since: datetime | None) -> int:
        if since is None:
            since = datetime.fromtimestamp(self._clock(), UTC) - timedelta(days=30)
        aware = since if since.tzinfo is not None else since.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1e6)


def _checked(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind[:64]!r}; choose one of {', '.join(KINDS)}")
    return kind


def _session(session: str | None) -> str:
    return (current_scope().session or "") if session is None else session


def _of(noted: Noted, session: str) -> bool:
    return not session or noted.session == session


def _is(action: Action, wanted: str) -> bool:
    return action.call_id == wanted or (len(wanted) >= 4 and action.span_id.startswith(wanted))


def _merged(noted: Iterable[Action], stored: Iterable[Action]) -> list[Action]:
    """Both, each once: the ring knows contents, the warehouse what became of a price."""
    known = {each.identity: each for each in stored} | {each.identity: each for each in noted}
    return sorted(known.values(), key=lambda each: (-each.started_ns, each.span_id))


def _best(one: Iterable[Related], other: Iterable[Related], limit: int) -> list[Related]:
    known: dict[tuple[str, str], Related] = {}
    for each in (*one, *other):
        before = known.get(each.action.identity)
        if before is None or each.score > before.score:
            known[each.action.identity] = each
    ordered = sorted(known.values(), key=lambda each: (-each.score, -each.action.started_ns))
    return ordered[:limit]


# --- of this process -----------------------------------------------------------------------


class _Here:
    warehouse: Warehouse | None = None


def use_warehouse(warehouse: Warehouse | None) -> None:
    """Where the functions below find what the ring of this process does not hold."""
    _Here.warehouse = warehouse


def last_action(kind: Kind | None = None) -> Action | None:
    """The newest tool or model call of this session, or the newest action of a `kind`."""
    return History(_Here.warehouse).last_action(kind)


def summarize(n: int = 10) -> Summary:
    """The last `n` actions of this session and what they come to."""
    return History(_Here.warehouse).summarize(n)


def explain_last_action() -> Explanation:
    """Why the newest tool or model call of this session was done.

    Raises:
        UnknownAction: nothing was done yet.
    """
    return History(_Here.warehouse).explain_last_action()


def explain(action: Action | str) -> Explanation:
    """Why an action was done, by itself or by its id.

    Raises:
        UnknownAction: none has this id, or several have.
    """
    return History(_Here.warehouse).explain(action)


def find_related(query: str, *, limit: int = 10) -> list[Related]:
    """Actions of this session that have to do with some words, the best first.

    Raises:
        ValueError: there is no word.
    """
    return History(_Here.warehouse).find_related(query, limit=limit)


def statistics() -> ActionStatistics:
    """How often, how well, how long and at what cost this session's actions went."""
    return History(_Here.warehouse).statistics()
