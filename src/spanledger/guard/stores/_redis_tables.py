"""Questions to a ledger in Redis, and its small tables."""

from collections.abc import Mapping
from contextlib import suppress

from spanledger.guard.ledger import Counter, Key
from spanledger.guard.stores import _redis_records as records
from spanledger.guard.stores._changes import Change
from spanledger.guard.stores._inside import Inside
from spanledger.guard.stores._redis_link import BackendDown, Link

PAGE = 500


class RedisTables:
    """What can be read, and what people change. Each method asks the server once or page by page.

    All raise `StoreUnavailable` while the server does not answer.
    """

    _link: Link
    _inside: Inside

    def read(self, key: Key) -> Counter:
        """A copy of one counter."""
        with self._inside:
            _done, *numbers = self._link.run("read", records.counter_name(key))
        return records.read_counter(numbers)

    def counters(self, rule: str | None = None) -> list[tuple[Key, Counter]]:
        """Copies of all counters, or of those of one rule; a page at a time, not at one moment."""
        found: list[tuple[Key, Counter]] = []
        prefix = records.name_prefix(rule)
        while True:
            with self._inside:
                page = self._link.run("list", prefix, len(found), PAGE)[1:]
            found += (
                (records.read_counter_name(name.decode()), records.read_counter(numbers))
                for name, *numbers in page
            )
            if len(page) < PAGE:
                return found

    def settlements(self, since: float = 0.0) -> list[Change]:
        """The settlement journal from a moment on (seconds since the epoch), in order.

        The server keeps about the last 100 000 settlements.
        """
        found: list[Change] = []
        start = str(int(since * 1000))
        while True:
            with self._inside:
                page = self._link.journal(start, PAGE)
            for number, line in page:
                found += records.read_changes(number, line)
            if len(page) < PAGE:
                return found
            start = f"({page[-1][0].decode()}"

    def _reset_spent(self, rule: str, value: str | None) -> int:
        prefix, at, total = records.name_prefix(rule, value), 0, 0
        while at >= 0:
            with self._inside:
                _done, count, at = self._link.run("reset", prefix, at, PAGE)
            total += int(count)
        return total

    def _forget(self, rule: str, before: int) -> None:
        prefix, at = records.name_prefix(rule), 0
        with suppress(BackendDown):
            while at >= 0:
                with self._inside:
                    at = int(self._link.run("forget", prefix, before, at, PAGE)[1])

    def rules(self) -> Mapping[str, str]:
        """Rules that were made at run time."""
        return self._table("rules")

    def put_rule(self, name: str, definition: str | None) -> None:
        """Keep a rule; None takes it out."""
        self._put("rules", name, definition)

    def forced(self) -> Mapping[str, str]:
        """Breakers that were forced, by name."""
        return self._table("forced")

    def force(self, name: str, state: str | None) -> None:
        """Force a breaker; None lets it go."""
        self._put("forced", name, state)

    def _table(self, table: str) -> dict[str, str]:
        with self._inside:
            flat = [text.decode() for text in self._link.run("table", table)]
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def _put(self, table: str, name: str, value: str | None) -> None:
        with self._inside:
            self._link.run("table", table, name, *(() if value is None else (value,)))

    def open_reservations(self) -> int:
        """How many reservations are open, of all processes."""
        with self._inside:
            return self._link.open_reservations()
