"""The medium tier: one SQLite file on this machine, for all its processes."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from spanledger.context._search import words as words_of
from spanledger.context.memory._file import MemoryFile
from spanledger.context.memory._item import Item, TierStats

__all__ = ["MediumTier"]

_COLUMNS: Final = (
    "m.id, m.user, m.content, m.importance, m.tags, m.created_s, m.used_s, m.uses, m.count"
)
#: SQLite takes no more parameters than some hundreds in old builds.
_MOST_ASKED: Final = 200

_Row = tuple[str, str, str, float, str, float, float, int, int]


class MediumTier:
    """Memories in a file. Safe to share between threads and processes; survives kill -9.

    Each question raises `MemoryUnavailable` if the file can't be used.
    """

    name: Literal["medium"] = "medium"

    def __init__(self, path: Path) -> None:
        self._file = MemoryFile(path)

    def put(self, items: Sequence[Item], now_s: float) -> None:
        with self._file.transaction() as connection:
            for item in items:
                _write(connection, item)

    def matching(self, user: str, words: Collection[str], most: int) -> list[Item]:
        return self._shared("words", "word", user, words, most, least=1)

    def tagged(self, user: str, tags: Collection[str], most: int, *, every: bool) -> list[Item]:
        return self._shared(
            "tags", "tag", user, tags, most, least=len(set(tags)) if every else 1, by="m.used_s"
        )

    def newest(self, user: str, most: int) -> list[Item]:
        sql = f"SELECT {_COLUMNS} FROM memories m WHERE user = ? ORDER BY used_s DESC, id LIMIT ?"  # noqa: S608 - our own columns
        with self._file.transaction() as connection:
            return _items(connection.execute(sql, (user, most)))

    def touch(self, user: str, ids: Collection[str], now_s: float) -> None:
        sql = "UPDATE memories SET uses = uses + 1, used_s = ? WHERE user = ? AND id = ?"
        with self._file.transaction() as connection:
            connection.executemany(sql, [(now_s, user, name) for name in ids])

    def remove(self, user: str, ids: Collection[str]) -> int:
        sql = "DELETE FROM memories WHERE user = ? AND id = ?"
        with self._file.transaction() as connection:
            return connection.executemany(sql, [(user, name) for name in ids]).rowcount

    def forget(self, user: str) -> int:
        """The texts are overwritten in the file, and its log is emptied."""
        with self._file.transaction() as connection:
            gone = connection.execute("DELETE FROM memories WHERE user = ?", (user,)).rowcount
        self._file.wipe_log()
        return gone

    def cleanup(self, now_s: float, before_s: float | None, least_strength: float) -> int:
        sql = "DELETE FROM memories WHERE used_s < ? OR strength(importance, ? - used_s, uses) < ?"
        before = float("-inf") if before_s is None else before_s
        with self._file.transaction() as connection:
            return connection.execute(sql, (before, now_s, least_strength)).rowcount

    def stats(self, user: str | None) -> TierStats:
        sql = (
            "SELECT count(*), coalesce(sum(length(content)), 0), count(DISTINCT user), "
            "min(created_s), max(created_s) FROM memories WHERE ?1 IS NULL OR user = ?1"
        )
        with self._file.transaction() as connection:
            return TierStats(*connection.execute(sql, (user,)).fetchone())

    def close(self) -> None:
        self._file.close()

    def _shared(
        self, table: str, column: str, user: str, asked: Collection[str], most: int, *,
        least: int, by: str = "count(*)",
    ) -> list[Item]:  # fmt: skip
        """Items that share at least so many of the words (or tags) asked for."""
        wanted = list(islice(dict.fromkeys(asked), _MOST_ASKED))
        sql = (
            f"SELECT {_COLUMNS} FROM {table} t JOIN memories m ON m.user = t.user AND m.id = t.id "  # noqa: S608 - names of ours; values are bound
            f"WHERE t.user = ? AND t.{column} IN ({','.join('?' * len(wanted))}) "
            f"GROUP BY m.id HAVING count(*) >= ? ORDER BY {by} DESC, m.used_s DESC, m.id LIMIT ?"
        )
        with self._file.transaction() as connection:
            return _items(connection.execute(sql, (user, *wanted, least, most)))


def _write(connection: sqlite3.Connection, item: Item) -> None:
    """Replace an item with all that points to it."""
    key = (item.user, item.id)
    connection.execute("DELETE FROM memories WHERE user = ? AND id = ?", key)
    connection.execute(
        "INSERT INTO memories VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*key, item.content, item.importance, json.dumps(item.tags), item.created_s, item.used_s,
         item.uses, item.count),
    )  # fmt: skip
    for table, values in (("words", words_of(item.content)), ("tags", item.tags)):
        rows = [(item.user, value, item.id) for value in dict.fromkeys(values)]
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)  # noqa: S608 - a name of ours


def _items(rows: Iterable[_Row]) -> list[Item]:
    return [Item(*row[:4], tuple(json.loads(row[4])), *row[5:], "medium") for row in rows]
