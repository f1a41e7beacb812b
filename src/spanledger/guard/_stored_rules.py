"""What people told the store while agents run: rules, and breakers that are forced."""

from collections.abc import Mapping
from dataclasses import replace
from typing import get_args

from spanledger.config import ConfigError
from spanledger.guard.breaker_rule import BreakerRule
from spanledger.guard.breakers import ForcedState
from spanledger.guard.policy import Policy
from spanledger.guard.rulebook import merged, read_definition
from spanledger.guard.stores import Store

#: Where a policy has no breakers, one that does nothing by itself: it can be forced open all the
#: same, as somebody may want to in an emergency.
FORCED_ONLY = BreakerRule("(forced)", failure_rate=1.0, min_calls=2**63, max_throttle_s=1e-9)


class StoredRules:
    """The last that could be used of it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: Mapping[str, str] = {}
        self._problems: list[ConfigError] = []
        self.definitions: Mapping[str, str] = {}
        self.forced: Mapping[str, ForcedState] = {}

    def over(self, base: Policy) -> Policy:
        """`base`, with what is here."""
        policy = merged(base, self.definitions)
        if self.forced and not policy.breakers:
            policy = replace(policy, breakers=(FORCED_ONLY,))
        return policy

    def look(self) -> list[ConfigError]:
        """Read it anew; the rules that can't be used, for which the earlier ones stay.

        Raises `StoreUnavailable`; then everything stays as it was.
        """
        definitions, forced = self._store.rules(), self._store.forced()
        self.forced = forced_states(forced)
        if definitions != self._seen:
            self._take(definitions)
        return self._problems

    def _take(self, definitions: Mapping[str, str]) -> None:
        usable: dict[str, str] = {}
        self._problems = []
        for name, text in definitions.items():
            try:
                read_definition(name, text)
            except ConfigError as error:
                self._problems.append(error)
                if name in self.definitions:
                    usable[name] = self.definitions[name]
            else:
                usable[name] = text
        self.definitions, self._seen = usable, definitions


def forced_states(found: Mapping[str, str]) -> dict[str, ForcedState]:
    """What is forced, without what no breaker can be forced to."""
    known: tuple[ForcedState, ...] = get_args(ForcedState)
    return {name: state for name, to in found.items() for state in known if state == to}
