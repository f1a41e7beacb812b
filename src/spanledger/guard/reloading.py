"""Rules that change while the process runs: from the file and from the store to the guard.

Nothing of it is on the way of a call, but the first look: the first call must know all rules.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from weakref import WeakSet

from spanledger.config import ConfigError, GuardSettings
from spanledger.guard import _current
from spanledger.guard._guard import Guard
from spanledger.guard._stored_rules import StoredRules
from spanledger.guard._ticker import Ticker
from spanledger.guard.breakers import Breakers, ForcedState
from spanledger.guard.events import RULES_CHANGED, RULES_UNREADABLE
from spanledger.guard.policy import Policy
from spanledger.guard.policy_file import PolicyFile
from spanledger.guard.stores import Store, StoreUnavailable

T = TypeVar("T")

Problem = ConfigError | StoreUnavailable


class Reloader:
    """Holds the guard of the process to what file and store say, every `reload_s` seconds.

    `base`: the rules of the start. `file`: where they come from; None if code gave them.
    `restart`: of a process that could not read its configuration; it tries to, and says what
    is still wrong. That is all that is done then.

    A file or a rule that can't be used leaves the earlier ones in force, and is told once. At
    the start there are no earlier ones: then calls are refused until it is mended.
    """

    def __init__(
        self,
        base: Policy,
        store: Store,
        settings: GuardSettings,
        *,
        file: PolicyFile | None = None,
        restart: Callable[[], ConfigError | None] | None = None,
    ) -> None:
        self._base, self._file, self._settings, self._restart = base, file, settings, restart
        self._stored = StoredRules(store)
        self._forced: Mapping[str, ForcedState] = {}
        #: Everything was read once: what can't be read from now on leaves that in force.
        self._known = False
        self._said = frozenset[str]()
        self._turns = self._stops = 0
        self._ticker = Ticker("spanledger-rules", settings.reload_s, self._tick)
        self._begin_process()
        _all.add(self)

    def _begin_process(self) -> None:
        # Held while file and store are read: looks come one after the other. Re-entrant, for
        # listeners hear of it meanwhile and may make calls.
        self._looking = threading.RLock()
        self.ready = False

    @property
    def base(self) -> Policy:
        """The rules without those made at run time."""
        return self._base

    def ensure(self) -> None:
        """Know the rules before the first call, and start the thread. Never raises."""
        _off_the_loop(self._ensure)

    async def ensure_async(self) -> None:
        """`ensure` without blocking the event loop."""
        await asyncio.to_thread(self._ensure)

    def begin(self) -> None:
        """`ensure` without waiting: the thread makes the first look."""
        self._ticker.start(at_once=True)

    def reload(self) -> None:
        """Look now. Raises the first problem, `ConfigError` or `StoreUnavailable`."""
        if problems := _off_the_loop(self._look_now):
            raise problems[0]

    def stop(self) -> None:
        """End the thread. The next call of a guard that follows it starts it again."""
        self._stops += 1
        self.ready = False
        self._ticker.stop()

    # --- inside: whence a look comes --------------------------------------------------------

    def _ensure(self) -> None:
        before = self._turns
        with self._looking:
            # Who waited while another looked takes what that one found.
            if not self.ready and self._turns == before:
                self._look()
        self._ticker.start()

    def _look_now(self) -> Sequence[Problem]:
        with self._looking:
            return self._look()

    def _tick(self) -> None:
        with self._looking:
            self._look(at_rest=True)

    # --- inside: a look ---------------------------------------------------------------------

    def _look(self, *, at_rest: bool = False) -> Sequence[Problem]:
        """`at_rest`: a file that is being written is left for the next time."""
        self._turns += 1
        stops = self._stops
        if self._restart is not None:
            self._be_ready(True, stops)
            error = None if at_rest and not self._is_at_rest() else self._restart()
            return [] if error is None else [error]
        in_file = _problems(partial(self._read_file, at_rest))
        in_store = _problems(self._stored.look)
        fatal, problems = self._fatal(in_store), [*in_file, *in_store]
        guard = _current.current()
        if guard.follower is self:
            self._hold(guard, fatal)
            self._force(guard.breakers)
            self._be_ready(fatal is None, stops)
            self._tell(guard, _current.current(), problems)
        return problems

    def _be_ready(self, ready: bool, stops: int) -> None:
        self.ready = ready
        if self._stops != stops:
            # Stopped meanwhile: the next call has the thread started again.
            self.ready = False

    def _read_file(self, at_rest: bool) -> Sequence[Problem]:
        file = self._file
        if file is not None and file.changed() and (not at_rest or self._is_at_rest()):
            self._base = file.policy()
        return []

    def _is_at_rest(self) -> bool:
        return self._file is None or self._file.at_rest(self._ticker.pause)

    def _fatal(self, problems: Sequence[Problem]) -> Problem | None:
        """What no call may pass for: a rule that was never known. None from then on."""
        if not self._known:
            if found := next((p for p in problems if not self._is_passed_over(p)), None):
                return found
            self._known = not any(isinstance(p, StoreUnavailable) for p in problems)
        return None

    def _is_passed_over(self, problem: Problem) -> bool:
        """Whether the user said that calls shall pass all the same."""
        if isinstance(problem, ConfigError):
            return self._settings.on_invalid_policy == "warn"
        return self._settings.on_store_down != "fail_closed"

    def _hold(self, guard: Guard, fatal: Problem | None) -> None:
        policy = self._stored.over(self._base)
        if policy == guard.policy and fatal is None and not guard.is_closed:
            return
        new = guard.replaced(
            policy,
            policy_error=fatal if isinstance(fatal, ConfigError) else None,
            ledger_error=fatal if isinstance(fatal, StoreUnavailable) else None,
        )
        _current.replace(guard, new)

    def _force(self, breakers: Breakers) -> None:
        before, self._forced = self._forced, self._stored.forced
        if before != self._forced:
            breakers.set_forced(self._forced)

    def _tell(self, before: Guard, now: Guard, problems: Sequence[Problem]) -> None:
        """Tell what is another than before, and each problem once for as long as it lasts."""
        if now.policy != before.policy:
            now.tell_rules(RULES_CHANGED, _changes(before.policy, now.policy))
        said, self._said = self._said, frozenset(map(_name, problems))
        for problem in problems:
            if _name(problem) not in said:
                now.tell_rules(RULES_UNREADABLE, _sentence(problem, now))


def _problems(read: Callable[[], Sequence[Problem]]) -> Sequence[Problem]:
    try:
        return read()
    except (ConfigError, StoreUnavailable) as error:
        return [error]
    except Exception as error:  # noqa: BLE001 - a failure of ours must not open a limit
        return [ConfigError(f"can't be read: {error!r}", key="(rules)")]


def _name(problem: Problem) -> str:
    # The same trouble with a store comes in many words.
    return str(problem) if isinstance(problem, ConfigError) else "store"


def _sentence(problem: Problem, now: Guard) -> str:
    then = "Calls are refused until it is mended." if now.is_closed else "The other rules hold."
    return f"Rules can't be read. {problem} {then}"


def _changes(before: Policy, after: Policy) -> str:
    old = {rule.name: rule for _kind, rule in before.rules()}
    new = {rule.name: rule for _kind, rule in after.rules()}
    kinds = {
        "new": [name for name in new if name not in old],
        "changed": [name for name in new if name in old and new[name] != old[name]],
        "gone": [name for name in old if name not in new],
    }
    said = (f"{what} {', '.join(map(repr, names))}" for what, names in kinds.items() if names)
    return f"Rules: {'; '.join(said) or 'the same, from another place'}."


def _off_the_loop(step: Callable[[], T]) -> T:
    """Run `step`; on the thread of an event loop by way of another, for it asks the store."""
    if asyncio._get_running_loop() is None:
        return step()
    with ThreadPoolExecutor(1) as other:
        return other.submit(step).result()


_all: "WeakSet[Reloader]" = WeakSet()


def _after_fork_in_child() -> None:
    for reloader in list(_all):
        reloader._begin_process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
