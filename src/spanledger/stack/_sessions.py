"""Sessions of the query port: a connection of its own for whoever keeps state."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from spanledger.stack.engine import Connection

MAX_SESSIONS: Final = 64


class _Session:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.lock = threading.Lock()
        self.expires_at_s = 0.0
        self.ended = False

    def end(self) -> None:
        with self.lock:
            self.ended = True
            self.connection.close()


class Sessions:
    """At most `MAX_SESSIONS` sessions, the longest unused goes first. Thread-safe.

    Clients send a session id with every request, most without need of one. So a session gets
    its connection with its first statement that leaves state behind (SET, USE, a temporary
    table); before, each request runs on a fresh one.
    """

    def __init__(
        self, connect: Callable[[], Connection], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._now = now
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    @contextmanager
    def use(
        self, session_id: str | None, timeout_s: float, *, keeps_state: bool
    ) -> Iterator[tuple[Connection, bool]]:
        """A connection for one statement, and whether it outlives the statement."""
        session = self._find(session_id, timeout_s, create=keeps_state) if session_id else None
        if session is not None:
            with session.lock:
                if not session.ended:
                    yield session.connection, True
                    return
        with self._connect() as connection:
            yield connection, False

    def close(self) -> None:
        """End every session."""
        with self._lock:
            ending = list(self._sessions.values())
            self._sessions.clear()
        for session in ending:
            session.end()

    def _find(self, session_id: str, timeout_s: float, *, create: bool) -> _Session | None:
        with self._lock:
            ending = self._expired()
            session = self._sessions.get(session_id)
            if session is None and create:
                session = self._sessions[session_id] = _Session(self._connect())
            if session is not None:
                session.expires_at_s = self._now() + timeout_s
                self._sessions.move_to_end(session_id)
            if len(self._sessions) > MAX_SESSIONS:
                ending.append(self._sessions.popitem(last=False)[1])
        for old in ending:
            old.end()
        return session

    def _expired(self) -> list[_Session]:
        now = self._now()
        idle = [name for name, session in self._sessions.items() if session.expires_at_s < now]
        return [self._sessions.pop(name) for name in idle]
