"""Looking at limits and changing them while agents run.

What is changed is kept in the store: every agent that shares it obeys within seconds
(`guard.reload_s`), and open reservations stay valid. All verbs read or write the store: not for
an event loop's thread. They raise `AdminError` for what can't be done, `ConfigError` for values
of no use, and `StoreUnavailable` while the store can't be used.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from spanledger.config import Document, GuardSettings
from spanledger.guard._counting import BUDGETS, RATE_LIMITS, Books, Counting
from spanledger.guard._current import current, reload
from spanledger.guard._facts import call_of
from spanledger.guard._finding import AdminError, no_such
from spanledger.guard._guard import Guard
from spanledger.guard._live import Live
from spanledger.guard._stored_rules import forced_states
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.breakers import BreakerStatus
from spanledger.guard.explain import Explainer, Explanation
from spanledger.guard.policy import Policy
from spanledger.guard.reloading import Reloader
from spanledger.guard.rules import Budget, RateLimit
from spanledger.guard.standing import RuleUse
from spanledger.guard.stores import MemoryStore, Store
from spanledger.lean import dataclass

__all__ = ["Admin", "AdminError", "BreakerBoard", "admin"]

Amount = Decimal | float | str
"""US dollars (of costs), or a whole number of tokens or calls; exact as a `Decimal` or a text."""


@dataclass(frozen=True, slots=True)
class BreakerBoard:
    """Breaker rules, what is forced, and what this process has seen."""

    rules: tuple[BreakerRule, ...]
    forced: Mapping[str, str]
    """``open`` or ``closed`` by the name of a rule or of a target (``openai/gpt-4o``)."""
    live: tuple[BreakerStatus, ...] | None
    """The breakers of this process; None: it runs no agent. Each process has its own."""


class Admin:
    """The verbs, over a store and the rules of a file.

    `document` is that file: errors name its lines. `agent` gives the guard of this process, if
    it runs an agent. `clock` gives seconds since the epoch. `changed` is called after each change.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy | None = None,
        settings: GuardSettings | None = None,
        *,
        document: Document | None = None,
        agent: Callable[[], Guard] | None = None,
        clock: Callable[[], float] = time.time,
        changed: Callable[[], object] = bool,
    ) -> None:
        self._settings = settings or GuardSettings()
        self._agent = agent
        self._books = Books(
            store, Policy() if policy is None else policy, document or Document(), clock, changed
        )
        self._budgets = Counting(BUDGETS, self._books)
        self._rate_limits = Counting(RATE_LIMITS, self._books)

    # --- budgets ----------------------------------------------------------------------------

    def budgets(self) -> list[RuleUse[Budget]]:
        """Every budget, with its counters in the present window."""
        return self._budgets.all()

    def budget(self, name: str) -> RuleUse[Budget]:
        """One budget, with its counters in the present window."""
        return self._budgets.one(name)

    def set_budget(
        self,
        name: str,
        *,
        limit: Amount | None = None,
        metric: str | None = None,
        window: str | None = None,
        scope: str | None = None,
        time_zone: str | None = None,
        thresholds: Sequence[float] | None = None,
        enforce: str | None = None,
        each: bool | None = None,
        match: Mapping[str, str] | None = None,
        trip: bool | None = None,
    ) -> Budget:
        """Change a budget, or make one; keys that are not given stay as they are.

        The keys are those of ``[[budgets]]`` in the policy file, `limit` in US dollars, tokens
        or calls. It overrides the file's budget of this name. What is spent stays: a limit
        below it refuses at once. Another `window` or `scope` begins to count anew. What has
        tripped stays so, whatever the limit, until it is reset (or `trip` is taken back).
        """
        return self._budgets.put(
            name,
            {
                "limit": limit,
                "metric": metric,
                "window": window,
                "scope": scope,
                "time_zone": time_zone,
                "thresholds": None if thresholds is None else list(thresholds),
                "enforce": enforce,
                "each": each,
                "match": match,
                "trip": trip,
            },
        )

    def reset_budget(self, name: str, value: str | None = None) -> int:
        """Set what is spent back to 0, for all or for one session, agent, …

        What had tripped lets calls through again; those in flight keep what they hold. Returns
        how many counters that were.
        """
        return self._budgets.reset(name, value)

    def delete_budget(self, name: str) -> Budget | None:
        """Take out a budget that was made at run time, with what it counted.

        Returns the budget of the file that holds again under this name, with the same counters.
        """
        return self._budgets.delete(name)

    # --- rate limits ------------------------------------------------------------------------

    def rate_limits(self) -> list[RuleUse[RateLimit]]:
        """Every rate limit, with what its sliding window holds."""
        return self._rate_limits.all()

    def rate_limit(self, name: str) -> RuleUse[RateLimit]:
        """One rate limit, with what its sliding window holds."""
        return self._rate_limits.one(name)

    def set_rate_limit(
        self,
        name: str,
        *,
        limit: Amount | None = None,
        metric: str | None = None,
        per: str | None = None,
        scope: str | None = None,
        each: bool | None = None,
        match: Mapping[str, str] | None = None,
    ) -> RateLimit:
        """Change a rate limit, or make one; keys that are not given stay as they are."""
        return self._rate_limits.put(
            name,
            {
                "limit": limit,
                "metric": metric,
                "per": per,
                "scope": scope,
                "each": each,
                "match": match,
            },
        )

    def reset_rate_limit(self, name: str, value: str | None = None) -> int:
        """Forget what the window holds, for all or for one value; how many counters that were."""
        return self._rate_limits.reset(name, value)

    def delete_rate_limit(self, name: str) -> RateLimit | None:
        """Take out a rate limit that was made at run time; the one that holds again."""
        return self._rate_limits.delete(name)

    # --- breakers ---------------------------------------------------------------------------

    def breakers(self) -> BreakerBoard:
        """Breaker rules and what is forced."""
        live = None if self._agent is None else tuple(self._agent().breakers.statuses())
        store = self._books.store
        return BreakerBoard(self._books.holding().breakers, dict(store.forced()), live)

    def open_breaker(self, name: str) -> None:
        """Hold back every call of a rule's breakers, or to a target, until it is released.

        `name` is that of a rule or of a target: ``openai/gpt-4o``, ``tool:search``. A target's
        own state wins over its rule's.
        """
        self._force(name, "open")

    def close_breaker(self, name: str) -> None:
        """Let every call through, whatever fails, until it is released."""
        self._force(name, "closed")

    def release_breaker(self, name: str) -> None:
        """Hand a forced breaker back to its rule; it begins closed."""
        forced = self._books.store.forced()
        if name not in forced:
            raise AdminError(no_such("forced breaker", name, list(forced)))
        self._books.store.force(name, None)
        self._books.changed()

    def _force(self, name: str, state: str) -> None:
        rules = [rule.name for rule in self._books.holding().breakers]
        if not rules:
            raise AdminError(
                "there is no breaker rule, so no call would ask; write a [[breakers]] table "
                "into the policy file"
            )
        if name not in rules and not _is_target(name):
            hint = "; a target is written PROVIDER/MODEL or tool:NAME"
            raise AdminError(no_such("breaker rule", name, rules).rstrip("?") + hint)
        self._books.store.force(name, state)
        self._books.changed()

    # --- questions --------------------------------------------------------------------------

    def explain(
        self,
        *,
        model: str = "",
        provider: str = "",
        agents: Sequence[str] = (),
        session: str | None = None,
        user: str | None = None,
        tool: str | None = None,
        attributes: Mapping[str, str] | None = None,
        input_tokens: int = 0,
        max_output_tokens: int | None = None,
    ) -> Explanation:
        """Why a call with these facts would be refused now, and what each rule says to it.

        It changes nothing. `agents` from the outermost one inwards; `input_tokens` as an upper
        bound; without `max_output_tokens` the model's own limit is taken. A `tool` without a
        `model` is a call of the tool itself. A whole `Call` is explained by `Guard.explain`.
        """
        now = self._books.clock()
        call = call_of(
            model=model,
            provider=provider,
            agents=tuple(agents),
            session=session,
            user=user,
            tool=tool,
            attributes=attributes or {},
            input_tokens=input_tokens,
            max_output_tokens=max_output_tokens,
            at=now,
        )
        if self._agent is not None:
            return self._agent().explain(call)
        return self._from_outside().explain(call, now)

    def _from_outside(self) -> Explainer:
        books = self._books
        # Not over the shared store: whoever listens to that one is given its crossings.
        live = Live(MemoryStore(), time.monotonic)
        live.breakers.set_forced(forced_states(books.store.forced()))
        return Explainer(books.holding(), self._settings, books.store, live, known=False)


def _is_target(name: str) -> bool:
    return name.startswith("tool:") or "/" in name.strip("/")


def admin() -> Admin:
    """The verbs over the guard of this process, which obeys each change at once.

    So do, within seconds, the other processes that share its store.
    """
    guard = current()
    if not isinstance(follower := guard.follower, Reloader):
        # Code made this guard. From now on it holds what its store says beside that.
        follower = Reloader(guard.policy, guard.store, guard.settings)
        guard.follow(follower)
    return Admin(
        guard.store,
        follower.base,
        guard.settings,
        agent=current,
        clock=guard.clock,
        changed=reload,
    )
