"""Searching by meaning: vectors of actions, kept in the same ClickHouse.

Nothing here knows a model: a program brings its embedder. What an embedder is given are the words
of an action, recorded contents included; where they are sent is the program's decision.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Protocol

from spanledger.history.action import Action
from spanledger.warehouse import Warehouse, read_sql

_BATCH = 256
_MOST_CHARS = 4_000
_COLUMNS = ("ts", "trace_id", "span_id", "session_id", "embedder", "vector")


class Embedder(Protocol):
    """What turns texts into vectors that are near where meanings are near."""

    @property
    def name(self) -> str:
        """Of the model: vectors are compared with those of the same name only."""

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """One vector a text, all of the same length."""


class Vectors:
    """The vectors of one warehouse and one embedder."""

    def __init__(self, warehouse: Warehouse, embedder: Embedder) -> None:
        self._warehouse = warehouse
        self._embedder = embedder

    def write(self, actions: Sequence[Action]) -> int:
        """Write the vectors of those that have none; how many that were."""
        missing = [each for each in actions if each.identity not in self._known(actions)]
        for batch in _batches(missing, _BATCH):
            vectors = self._vectors([text_of(action) for action in batch])
            rows = [self._row(*pair) for pair in zip(batch, vectors, strict=True)]
            self._warehouse.insert("action_vectors", _COLUMNS, rows)
        return len(missing)

    def near(
        self, query: str, *, since_us: int, session: str, limit: int
    ) -> list[tuple[Mapping[str, Any], float]]:
        """Rows with ``trace_id``, ``span_id`` and ``at_us``, the nearest first, with scores.

        Raises:
            ValueError: the query is empty.
        """
        if not query.strip():
            raise ValueError("there is nothing to look for; say what, in a few words")
        (vector,) = self._vectors([query[:_MOST_CHARS]])
        asked = {"since_us": since_us, "session": session, "limit": limit}
        rows = self._ask("vectors", vector=vector, embedder=self._embedder.name, **asked)
        return [(row, max(0.0, float(row["score"]))) for row in rows]

    def _known(self, actions: Sequence[Action]) -> frozenset[tuple[str, str]]:
        if not actions:
            return frozenset()
        since_us = min(action.started_ns for action in actions) // 1000
        traces = sorted({action.trace_id for action in actions})
        rows = self._ask(
            "indexed", embedder=self._embedder.name, trace_ids=traces, since_us=since_us
        )
        return frozenset((row["trace_id"], row["span_id"]) for row in rows)

    def _vectors(self, texts: Sequence[str]) -> list[list[float]]:
        vectors = [[float(x) for x in vector] for vector in self._embedder.embed(texts)]
        if len(vectors) != len(texts) or any(not _usable(vector) for vector in vectors):
            raise ValueError(
                f"the embedder {self._embedder.name!r} must give one vector of finite numbers, "
                "not all zero, for each text"
            )
        return vectors

    def _row(self, action: Action, vector: list[float]) -> list[object]:
        at = datetime.fromtimestamp(action.started_ns // 1000 / 1e6, UTC)
        name = self._embedder.name
        return [at, action.trace_id, action.span_id, action.session, name, vector]

    def _ask(self, name: str, /, **parameters: object) -> list[dict[str, Any]]:
        return self._warehouse.query(
            read_sql("spanledger.history", f"sql/{name}.sql"), **parameters
        )


def text_of(action: Action) -> str:
    """What an embedder is given of an action."""
    parts = (
        action.kind, action.name, action.agent, action.command, action.arguments, action.result,
        action.error_type, action.message, action.reason,
    )  # fmt: skip
    return "\n".join(part for part in parts if part)[:_MOST_CHARS]


def _usable(vector: Sequence[float]) -> bool:
    return all(map(math.isfinite, vector)) and any(vector)


def _batches(actions: Sequence[Action], size: int) -> Iterator[list[Action]]:
    waiting = iter(actions)
    while batch := list(islice(waiting, size)):
        yield batch
