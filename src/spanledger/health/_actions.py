"""What a process can do for itself when it is unwell: each act is logged, and undone after."""

import gc
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import NamedTuple, Self

from spanledger import semconv
from spanledger.guard import ready_soon
from spanledger.health._report import Report, report
from spanledger.health.scoring import SignName
from spanledger.health.usage import read_usage
from spanledger.track import event

_log = logging.getLogger("spanledger.health")


class Action(NamedTuple):
    """Something to do when a sign is bad. Made by `trim_memory`, `drop_caches`, `open_breaker`."""

    name: str
    sign: SignName
    """Done when the strain of this sign is 1."""
    do: Callable[[], str]
    """Says what it did."""
    undo: Callable[[], str] | None = None
    """Done once the sign is good again."""


_caches: dict[str, Callable[[], object]] = {}


def register_cache(name: str, clear: Callable[[], object]) -> None:
    """Have `drop_caches` call `clear` too. Registered again, it is replaced."""
    _caches[name] = clear


def trim_memory() -> Action:
    """When memory is short: collect garbage, and hand free pages back to the system (Linux)."""
    return Action("trim_memory", "memory", _trim)


def drop_caches() -> Action:
    """When memory is short: clear what was given to `register_cache`."""
    return Action("drop_caches", "memory", _drop)


def open_breaker(target: str, sign: SignName = "failures") -> Action:
    """Hold back calls to a target (``openai/gpt-4o``, ``tool:search``) while a sign is bad.

    In this process only. What somebody forces with ``spanledger breaker`` replaces it.
    """

    def force() -> str:
        ready_soon().breakers.force(target, "open")
        return f"calls to {target} are held back"

    def release() -> str:
        ready_soon().breakers.force(target, None)
        return f"calls to {target} pass again"

    return Action(f"open_breaker {target}", sign, force, release)


def _trim() -> str:
    before = read_usage()
    found = gc.collect()
    _give_back()
    after = read_usage()
    if before is None or after is None:
        return f"{found} objects collected"
    freed = max(0, before.rss_bytes - after.rss_bytes)
    return f"{found} objects collected, {freed / 2**20:.1f} MB given back"


def _give_back() -> None:
    if sys.platform != "linux":
        return
    import ctypes

    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # musl has none
        return


def _drop() -> str:
    for clear in list(_caches.values()):
        clear()
    return f"cleared: {', '.join(sorted(_caches)) or 'nothing is registered'}"


class Watch:
    """Looks at the health of the process now and then, and acts. A context manager, or `stop`.

    >>> with Watch(trim_memory(), every_s=30) as watching:
    ...     pass

    An action is done when its sign is bad, at most once in `again_s` seconds, and undone, if it
    can be, as soon as the sign is good. Each is logged as a warning of ``spanledger.health`` and
    is an event on a span. One that raises is logged and changes nothing else.
    Raises `ValueError` for seconds that are not above 0.
    """

    def __init__(
        self,
        *actions: Action,
        every_s: float = 30.0,
        again_s: float = 300.0,
        look: Callable[[], Report] = report,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (every_s > 0 and again_s > 0):
            raise ValueError(
                f"every_s is {every_s!r}, again_s is {again_s!r}; both must be above 0"
            )
        self._actions, self._every_s, self._again_s = actions, every_s, again_s
        self._look, self._clock = look, clock
        self._done_s: dict[str, float] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Begin, on a thread that does not keep the process alive."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="spanledger-health", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """End, and undo what is still done."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._undo(self._actions)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            self.once()

    def once(self) -> None:
        """Look once, and act."""
        findings = self._look().findings
        bad = {finding.sign for finding in findings if finding.strain >= 1}
        strained = {finding.sign for finding in findings}
        self._undo(action for action in self._actions if action.sign not in strained)
        for action in self._actions:
            if action.sign in bad and self._due(action):
                self._done_s[action.name] = self._clock()
                _act(action, action.do)

    def _due(self, action: Action) -> bool:
        done_s = self._done_s.get(action.name)
        return done_s is None or self._clock() - done_s >= self._again_s

    def _undo(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if action.undo is not None and self._done_s.pop(action.name, None) is not None:
                _act(action, action.undo)


def _act(action: Action, what: Callable[[], str]) -> None:
    try:
        said = what()
    except Exception:  # noqa: BLE001 - an action of the program's must not end the watch
        _log.exception("health: %s failed", action.name)
        return
    _log.warning("health: %s, because of %s: %s", action.name, action.sign, said)
    event(semconv.HEALTH_EVENT_NAME, action=action.name, sign=action.sign, result=said)
