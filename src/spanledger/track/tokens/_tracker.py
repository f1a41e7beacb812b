"""The tracker: one lock and one clock around the counters."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args
from weakref import WeakSet

from opentelemetry.metrics import MeterProvider

from spanledger.lean import make
from spanledger.track._scope import current_scope
from spanledger.track.tokens import _metrics
from spanledger.track.tokens._book import NONE, Book, Crossed, Key, Level, Series
from spanledger.track.tokens._context import TokenContext
from spanledger.track.tokens._counts import Counts, Stats
from spanledger.track.tokens._details import Details, Operation
from spanledger.track.tokens._reports import (
    Report,
    SessionReport,
    read_snapshot,
    report_of,
    session_report_of,
    snapshot_of,
)
from spanledger.track.tokens._tally import Tally, current_tally

_log = logging.getLogger("spanledger.track")

Mode = Literal["minimal", "detailed"]
Callback = Callable[[Crossed], object]

#: The encoding of most present models of OpenAI; for others it is an estimate.
_USUAL_MODEL = "gpt-4o"


class Tracker:
    """Counts tokens by session, tool and operation. For any number of threads.

    The functions of `spanledger.track.tokens` are those of one tracker for the process. `clock`
    gives seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._details: Details | None = None
        self._observed = True
        self._callbacks: list[tuple[Level, int, Callback]] = []
        self._start()
        _all.add(self)

    def _start(self) -> None:
        """From nothing: also in a forked child, whose parent has counted the rest."""
        self._lock = threading.Lock()
        self._book = Book()
        if self._details is not None:
            self._details = self._details.empty()
        self._set_marks()

    # --- tracking ---------------------------------------------------------------------------

    def track_operation(
        self,
        operation: str,
        input_tokens: int = 0,
        output_tokens: int = 0,
        *,
        tool: str | None = None,
        session: str | None = None,
        duration_s: float = 0.0,
        charge: bool = False,
        provider: str = "",
        model: str = "",
    ) -> None:
        """Count tokens of an operation that no gate sees: of any name that you like.

        Session and tool are those that are at work, if not given. Model calls that Spanledger
        bills are counted by themselves: do not track them again. The ledger knows nothing of it
        unless `charge` is set: then it is charged by the price of `model` of `provider`, and
        stands among the call records.

        Raises `ValueError` for a negative number, or for a charge without a model, and
        `TypeError` for tokens that are no whole numbers.

        >>> track_operation("summarise", 1200, 150, tool="reader")
        """
        if type(input_tokens) is not int or type(output_tokens) is not int:
            raise TypeError(f"tokens are whole numbers, not {input_tokens!r}, {output_tokens!r}")
        if input_tokens < 0 or output_tokens < 0:
            raise ValueError(f"tokens can't be negative: {input_tokens}, {output_tokens}")
        if session is None or tool is None:
            scope = current_scope()
            session, tool = session or scope.session or NONE, tool or scope.tool or NONE
        key = Key(session, tool, operation, "tracked")
        if charge:
            _charge(key, provider, model, input_tokens, output_tokens, duration_s)
        self._count(key, input_tokens, output_tokens, duration_s, current_tally())

    def track_text(
        self,
        text: str,
        *,
        operation: str = "text",
        model: str = "",
        output: bool = False,
        tool: str | None = None,
        session: str | None = None,
    ) -> int:
        """Count the tokens of a text, as input or as `output` of an operation; how many.

        Exact for models of OpenAI whose encoding is published. For all others it is an estimate
        by their most usual encoding.

        >>> track_text("The quick brown fox")
        4
        """
        tokens = self.count(text, model)
        used = (0, tokens) if output else (tokens, 0)
        self.track_operation(operation, *used, tool=tool, session=session)
        return tokens

    def count(self, text: str, model: str = "") -> int:
        """The tokens of a text, without tracking it. See `track_text`."""
        # Loaded with the first use: an agent that counts no texts needs none of it.
        from spanledger.usage.tokens import count_text, encoding_name

        known = model if model and encoding_name(model) else _USUAL_MODEL
        return count_text(text, known).tokens

    def track_context(
        self, operation: str = "context", *, tool: str | None = None, session: str | None = None
    ) -> TokenContext:
        """A block whose tokens are added as they come, and become one operation at its end.

        >>> with track_context("retrieval") as used:
        ...     used.add(input_tokens=300)
        ...     used.add(input_tokens=200)
        >>> used.total_tokens
        500
        """
        return TokenContext(self, operation, tool, session)

    def saw_call(
        self,
        session: str | None,
        tool: str | None,
        operation: str,
        input_tokens: int,
        output_tokens: int,
        *,
        duration_s: float = 0.0,
        tally: Tally | None = None,
    ) -> None:
        """Count a model call that was billed. For the gate and the span processors."""
        key = make(Key, (session or NONE, tool or NONE, operation, "call"))
        self._count(key, input_tokens, output_tokens, duration_s, tally)

    def _count(
        self,
        key: Key,
        input_tokens: int,
        output_tokens: int,
        duration_s: float,
        tally: Tally | None,
    ) -> None:
        now_s = self._clock()
        with self._lock:
            reached = self._book.add(key, input_tokens, output_tokens, duration_s, now_s)
            if self._details is not None:
                self._details.add(key, input_tokens, output_tokens, duration_s, now_s)
            if tally is not None:
                tally.count(input_tokens, output_tokens)
            crossed = self._passed(reached) if reached else None
        if crossed:
            self._tell(crossed)
        if not self._observed:
            self.observe()

    # --- thresholds -------------------------------------------------------------------------

    def on_threshold(
        self, limit_tokens: int, callback: Callback, *, level: Level = "global"
    ) -> Callable[[], None]:
        """Call `callback` once for each thing of a level that has used so many tokens.

        Levels are ``global``, ``session``, ``tool`` and ``operation``. It is called in the
        thread that passed the threshold, after the operation is counted; an exception of it is
        logged. What has passed it already is not told. Returns a function that takes it back.

        Raises `ValueError` for a limit below 1 or a level that is none.
        """
        if limit_tokens < 1:
            raise ValueError(f"a threshold is at least 1 token, not {limit_tokens}")
        if level not in get_args(Level):
            raise ValueError(f"{level!r} is no level; there are {', '.join(get_args(Level))}")
        entry = (level, limit_tokens, callback)
        with self._lock:
            self._callbacks.append(entry)
            self._set_marks()

        def remove() -> None:
            with self._lock:
                if entry in self._callbacks:
                    self._callbacks.remove(entry)
                self._set_marks()

        return remove

    def _set_marks(self) -> None:
        for level in get_args(Level):
            limits = {limit for of, limit, _callback in self._callbacks if of == level}
            self._book.set_marks(level, list(limits))

    def _passed(self, reached: Iterable[Counts]) -> list[Crossed]:
        return [crossed for counts in reached for crossed in self._book.passed(counts)]

    def _tell(self, crossed: Iterable[Crossed]) -> None:
        for one in crossed:
            for level, limit, callback in list(self._callbacks):
                if (level, limit) == (one.level, one.limit_tokens):
                    try:
                        callback(one)
                    except Exception:  # noqa: BLE001 - the operation it is called in is not at fault
                        _log.exception("a callback for %d tokens failed", limit)

    # --- questions --------------------------------------------------------------------------

    def tool_stats(self, tool: str) -> Stats:
        """What one tool used, in all sessions; all 0 if it used nothing."""
        with self._lock:
            found = self._book.tools.get(tool)
            return Stats() if found is None else found.stats(self._clock())

    def report(self) -> Report:
        """What everything used, by tool and by operation."""
        with self._lock:
            return report_of(self._book, self._clock())

    def session_report(self, session: str | None = None) -> SessionReport:
        """What one session used, by tool and operation; of the present one if none is named."""
        name = session or current_scope().session or NONE
        with self._lock:
            return session_report_of(self._book, name, self._clock())

    def recent(self, most: int = 100) -> list[Operation]:
        """The last operations, oldest first. Only in the ``detailed`` mode are there any."""
        with self._lock:
            return [] if self._details is None else self._details.last(most)

    def rate(self, window_s: float = 60.0) -> float:
        """Tokens per minute in the last `window_s` seconds, by the operations that are kept.

        Raises `RuntimeError` in the ``minimal`` mode, in which none are.
        """
        with self._lock:
            if self._details is None:
                raise RuntimeError('no operations are kept; call configure(mode="detailed") first')
            return self._details.rate(window_s, self._clock())

    # --- state ------------------------------------------------------------------------------

    def configure(self, *, mode: Mode, capacity: int = 1000) -> None:
        """``detailed`` keeps the last `capacity` operations; ``minimal``, as at first, only sums.

        Raises `ValueError` for another mode, or a capacity below 1.
        """
        if mode not in get_args(Mode):
            raise ValueError(f"{mode!r} is no mode; there are {', '.join(get_args(Mode))}")
        details = Details(capacity) if mode == "detailed" else None
        with self._lock:
            self._details = details

    def export_json(self) -> str:
        """All sums as JSON, to be read by `import_json`, of this process or another."""
        import json

        with self._lock:
            found: dict[str, Any] = snapshot_of(self._book, self._clock())
        return json.dumps(found, separators=(",", ":"))

    def import_json(self, text: str) -> None:
        """Add the sums that `export_json` gave. The metric leaves them out: they have been in one.

        Raises `ValueError`, and changes nothing, for what is no such text.
        """
        snapshot = read_snapshot(text)
        with self._lock:
            snapshot.put_into(self._book)

    def reset(self) -> None:
        """Forget all sums and operations. Thresholds stay."""
        with self._lock:
            details, self._book = self._details, Book()
            self._details = None if details is None else details.empty()
            self._set_marks()

    # --- the metric -------------------------------------------------------------------------

    def observe(self, provider: MeterProvider | None = None) -> None:
        """Export the totals as the metric ``spanledger.tokens.used``."""
        self._observed = True
        _metrics.observe(self._series, provider)

    def _series(self) -> list[tuple[Series, int, int]]:
        with self._lock:
            found = list(self._book.series.items())
            return [(series, c.input_tokens, c.output_tokens) for series, c in found]


def _charge(
    key: Key, provider: str, model: str, input_tokens: int, output_tokens: int, duration_s: float
) -> None:
    if not model or not provider:
        raise ValueError("charge=True needs provider and model: the price depends on them")
    from spanledger.track.tokens._charging import charge

    charge(key, provider, model, input_tokens, output_tokens, duration_s)


_all: WeakSet[Tracker] = WeakSet()


def the_tracker() -> Tracker:
    """The one of this process; its metric is made with its first operation."""
    return _the_tracker


def _first() -> Tracker:
    tracker = Tracker()
    tracker._observed = False
    return tracker


_the_tracker = _first()


def _after_fork_in_child() -> None:
    for tracker in _all:
        tracker._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
