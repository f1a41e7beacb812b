"""What a conversation holds, behind one lock."""

import threading
from collections import deque
from typing import NamedTuple

from spanledger.context._compression import Compression
from spanledger.context._entries import Entry, after

_MOST_RECORDS = 100


class CompressionRecord(NamedTuple):
    """What one compression did, without the texts."""

    at_s: float
    """Seconds since 1970."""
    strategy: str
    tokens_before: int
    tokens_after: int
    messages_dropped: int
    summarised: bool


class Snapshot(NamedTuple):
    """The messages at one time; `generation` changes whenever earlier ones do."""

    entries: tuple[Entry, ...]
    generation: int
    tokens: int


class Held:
    """Entries, their tokens, and the record of compressions. Safe to share between threads."""

    def __init__(self, base_tokens: int, marker_tokens: int) -> None:
        self._lock = threading.Lock()
        self._marker_tokens = marker_tokens
        self._base_tokens = base_tokens
        self._entries: list[Entry] = []
        self._generation = 0
        self._tokens = base_tokens
        self._history: deque[CompressionRecord] = deque(maxlen=_MOST_RECORDS)
        self.compressions = 0
        self.saved_tokens = 0

    def snapshot(self) -> Snapshot:
        with self._lock:
            return Snapshot(tuple(self._entries), self._generation, self._tokens)

    @property
    def history(self) -> tuple[CompressionRecord, ...]:
        with self._lock:
            return tuple(self._history)

    def append(self, entry: Entry) -> None:
        with self._lock:
            last = self._entries[-1] if self._entries else None
            self._tokens += entry.tokens + self._gap(last, entry)
            self._entries.append(entry)

    def remove(self, entry: Entry) -> None:
        """Take back an entry that was appended, if it is still there."""
        with self._lock:
            kept = [other for other in self._entries if other is not entry]
            if len(kept) < len(self._entries):
                self._hold(kept)

    def replace(self, of: Snapshot, done: Compression, summary_tokens: int, at_s: float) -> bool:
        """Put what a compression left in the place of what it was given.

        What was added meanwhile stays behind it; if another compression was first, nothing
        happens.
        """
        with self._lock:
            if self._generation != of.generation:
                return False
            since = self._entries[len(of.entries) :]
            self._hold([*after(of.entries, done, summary_tokens), *since])
            self._note(done, at_s)
            return True

    def _note(self, done: Compression, at_s: float) -> None:
        self.compressions += 1
        self.saved_tokens += done.saved_tokens
        self._history.append(
            CompressionRecord(
                at_s,
                done.strategy,
                done.tokens_before,
                done.tokens_after,
                len(done.dropped),
                done.summary is not None,
            )
        )

    def _hold(self, entries: list[Entry]) -> None:
        before = [None, *entries[:-1]]
        gaps = sum(self._gap(last, entry) for last, entry in zip(before, entries, strict=False))
        self._entries = entries
        self._tokens = self._base_tokens + gaps + sum(entry.tokens for entry in entries)
        self._generation += 1

    def _gap(self, last: Entry | None, entry: Entry) -> int:
        """The marker that goes before an answer without a question."""
        if not self._marker_tokens or entry.message.get("role") != "assistant":
            return 0
        if last is not None and last.message.get("role") == "user":
            return 0
        return self._marker_tokens
