"""The long tier: ClickHouse, for all machines. Its table is made by ``spanledger migrate``."""

import json
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from spanledger.context._search import words as words_of
from spanledger.context.memory._item import Item, TierStats
from spanledger.context.memory._rules import HALF_LIFE_S
from spanledger.warehouse import Warehouse, quote_name

__all__ = ["LongTier"]

_COLUMNS: Final = (
    "user_id, id, content, words, tags, importance, created_at, used_at, uses, merged, revision"
)
_SEEN: Final = (
    "id, user_id, content, importance, tags, toFloat64(created_at) AS created_s, "
    "toFloat64(used_at) AS used_s, uses, merged"
)
_FADED: Final = (
    "(used_at < fromUnixTimestamp64Micro({before_us:Int64}) OR importance * exp2(-greatest(0, "
    "{now_s:Float64} - toFloat64(used_at)) / ({half_life_s:Float64} * (1 + uses))) "
    "< {least:Float64})"
)


class LongTier:
    """Memories in a warehouse. Safe to share between threads, processes and machines.

    Each question raises `WarehouseError` if ClickHouse can't answer it.
    """

    name: Literal["long"] = "long"

    def __init__(self, warehouse: Warehouse, *, cluster: str | None = None) -> None:
        self._warehouse = warehouse
        database = quote_name(warehouse.database)
        self._table = f"{database}.memories"
        #: Over all shards; a user's rows lie on one of them.
        self._all = f"{self._table}_all" if cluster else self._table
        self._on_cluster = f" ON CLUSTER {quote_name(cluster)}" if cluster else ""
        self._lock = threading.Lock()
        self._revision = 0

    def put(self, items: Sequence[Item], now_s: float) -> None:
        revision = self._next_revision(now_s)
        rows = "\n".join(json.dumps(_row(item, revision)) for item in items)
        if rows:
            # On a cluster: answered when the shard that keeps them has them.
            place = f"{self._all} ({_COLUMNS}) SETTINGS distributed_foreground_insert = 1"
            self._warehouse.insert_json(place, rows)

    def matching(self, user: str, words: Collection[str], most: int) -> list[Item]:
        return self._items(
            "hasAny(words, {asked:Array(String)})",
            "length(arrayIntersect(words, {asked:Array(String)})) DESC, used_at DESC, id",
            most,
            user=user,
            asked=sorted(set(words)),
        )

    def tagged(self, user: str, tags: Collection[str], most: int, *, every: bool) -> list[Item]:
        has = "hasAll" if every else "hasAny"
        return self._items(
            f"{has}(tags, {{asked:Array(String)}})",
            "used_at DESC, id",
            most,
            user=user,
            asked=sorted(set(tags)),
        )

    def newest(self, user: str, most: int) -> list[Item]:
        return self._items("1", "used_at DESC, id", most, user=user)

    def touch(self, user: str, ids: Collection[str], now_s: float) -> None:
        """Written from what is there, so that what was forgotten meanwhile stays forgotten."""
        sql = (
            f"INSERT INTO {self._all} ({_COLUMNS}) SELECT user_id, id, content, words, tags, "  # noqa: S608 - names of ours; values are bound
            "importance, created_at, fromUnixTimestamp64Micro({now_us:Int64}), uses + 1, merged, "
            f"{{revision:UInt64}} FROM {self._all} FINAL "
            "WHERE user_id = {user:String} AND id IN {ids:Array(String)} "
            "SETTINGS distributed_foreground_insert = 1"
        )
        self._warehouse.command(
            sql,
            user=user,
            ids=sorted(ids),
            now_us=_us(now_s),
            revision=self._next_revision(now_s),
        )

    def remove(self, user: str, ids: Collection[str]) -> int:
        where = "user_id = {user:String} AND id IN {ids:Array(String)}"
        return self._delete(where, user=user, ids=sorted(ids))

    def forget(self, user: str) -> int:
        """Gone for every question at once; off the disk when ClickHouse drops the old parts."""
        gone = self._delete("user_id = {user:String}", user=user)
        if gone:
            # A DELETE hides rows until their parts are merged, which may be never.
            self._warehouse.command(
                f"OPTIMIZE TABLE {self._table}{self._on_cluster} FINAL SETTINGS alter_sync = 2"
            )
        return gone

    def cleanup(self, now_s: float, before_s: float | None, least_strength: float) -> int:
        return self._delete(
            _FADED,
            before_us=0 if before_s is None else _us(before_s),
            now_s=now_s,
            half_life_s=HALF_LIFE_S["long"],
            least=least_strength,
        )

    def stats(self, user: str | None) -> TierStats:
        (row,) = self._warehouse.query(
            "SELECT count() AS items, sum(lengthUTF8(content)) AS characters, uniqExact(user_id) "  # noqa: S608 - a name of ours; values are bound
            "AS users, toFloat64(min(created_at)) AS oldest, toFloat64(max(created_at)) AS newest "
            f"FROM {self._all} FINAL WHERE {{everyone:UInt8}} OR user_id = {{user:String}}",
            everyone=int(user is None),
            user=user or "",
        )
        times = (row["oldest"], row["newest"]) if row["items"] else (None, None)
        return TierStats(int(row["items"]), int(row["characters"]), int(row["users"]), *times)

    def close(self) -> None:
        """The warehouse is its owner's to close."""

    def _items(self, where: str, order: str, most: int, **values: object) -> list[Item]:
        rows = self._warehouse.query(
            f"SELECT {_SEEN} FROM {self._all} FINAL WHERE user_id = {{user:String}} AND {where} "  # noqa: S608 - texts of ours; values are bound
            f"ORDER BY {order} LIMIT {{most:UInt32}}",
            most=most,
            **values,
        )
        return [_item(row) for row in rows]

    def _delete(self, where: str, **values: Any) -> int:
        """Every revision of the items that are meant; how many items there were."""
        counting = f"SELECT count() AS items FROM {self._all} FINAL WHERE {where}"  # noqa: S608 - texts of ours; values are bound
        items = int(self._warehouse.query(counting, **values)[0]["items"])
        if items:
            self._warehouse.command(
                f"DELETE FROM {self._table}{self._on_cluster} WHERE {where} "  # noqa: S608 - as above
                "SETTINGS lightweight_deletes_sync = 2",
                **values,
            )
        return items

    def _next_revision(self, now_s: float) -> int:
        """Microseconds, and never the same twice."""
        with self._lock:
            self._revision = max(self._revision + 1, _us(now_s))
            return self._revision


def _us(at_s: float) -> int:
    return round(at_s * 1_000_000)


def _row(item: Item, revision: int) -> dict[str, Any]:
    return {
        "user_id": item.user,
        "id": item.id,
        "content": item.content,
        "words": sorted(set(words_of(item.content))),
        "tags": list(item.tags),
        "importance": item.importance,
        "created_at": _time(item.created_s),
        "used_at": _time(item.used_s),
        "uses": item.uses,
        "merged": item.count,
        "revision": revision,
    }


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(_us(at_s) / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _item(row: Mapping[str, Any]) -> Item:
    return Item(
        id=row["id"],
        user=row["user_id"],
        content=row["content"],
        importance=row["importance"],
        tags=tuple(row["tags"]),
        created_s=row["created_s"],
        used_s=row["used_s"],
        uses=row["uses"],
        count=row["merged"],
        tier="long",
    )
