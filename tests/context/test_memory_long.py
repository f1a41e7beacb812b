"""The long tier, on a ClickHouse server, on a cluster and on the embedded engine."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from spanledger.context.memory import Memory
from spanledger.testing.spans import SpanCapture
from spanledger.track import agent
from spanledger.warehouse import Target, Warehouse, WarehouseError, connect, read_sql
from spanledger.warehouse._render import render, statements
from tests._engines import CLUSTER
from tests.warehouse.conftest import cluster_server, embedded_url, server, with_database

__all__ = ["cluster_server", "embedded_url", "server"]

DAY_S = 86_400.0
_users = itertools.count()


class Engine(NamedTuple):
    warehouse: Warehouse
    cluster: str | None


@pytest.fixture(scope="module", params=["server-25.8", "cluster", "embedded"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database with the one table that this is about: to make all of them takes seconds."""
    cluster = CLUSTER if request.param == "cluster" else None
    if request.param == "embedded":
        url = with_database(request.getfixturevalue("embedded_url"), "memory")
    else:
        name = "cluster_server" if cluster else "server"
        url = request.getfixturevalue(name).url("memory")
    with connect(url) as warehouse:
        on = f" ON CLUSTER {cluster}" if cluster else ""
        warehouse.command(f"CREATE DATABASE IF NOT EXISTS memory{on}", use_database=False)
        for statement in statements(read_sql("spanledger.warehouse.schema", "0006_memory.sql")):
            if rendered := render(statement, Target("memory", cluster)).strip():
                warehouse.command(rendered)
        yield Engine(warehouse, cluster)


class Clock:
    now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(engine: Engine, tmp_path: Path, clock: Clock) -> Iterator[Memory]:
    made = Memory(
        path=tmp_path / "m.sqlite",
        warehouse=engine.warehouse,
        cluster=engine.cluster,
        clock=clock,
    )
    yield made
    made.close()


@pytest.fixture
def user() -> str:
    return f"user-{next(_users)}"


def held(memory: Memory, user: str) -> dict[str, int]:
    return {name: stats.items for name, stats in memory.stats(user).items()}


def test_what_matters_most_moves_to_clickhouse_and_every_machine_finds_it(
    memory: Memory, engine: Engine, tmp_path: Path, user: str
) -> None:
    memory.add("parcel 17 is Ada's — naïve '; DROP", importance=0.9, tags=["it's"], user=user)
    memory.add("the weather is fine", importance=0.5, user=user)
    assert held(memory, user) == {"short": 0, "medium": 2, "long": 0}

    done = memory.consolidate(user=user)

    assert (done.merged, done.moved) == (0, 1)
    assert held(memory, user) == {"short": 0, "medium": 1, "long": 1}
    elsewhere = Memory(
        path=tmp_path / "other.sqlite", warehouse=engine.warehouse, cluster=engine.cluster
    )
    (found,) = elsewhere.search("parcel of ada", user=user)
    assert found.item.content == "parcel 17 is Ada's — naïve '; DROP"
    assert (found.item.tags, found.item.tier) == (("it's",), "long")
    assert [item.id for item in elsewhere.search_by_tags(["it's"], user=user)] == [found.item.id]
    assert elsewhere.search_by_tags(["it's", "other"], every=True, user=user) == []
    elsewhere.close()


def test_what_is_found_is_used_and_one_memory_stays_one(
    memory: Memory, clock: Clock, user: str
) -> None:
    memory.add("the harbour is closed", importance=0.9, user=user)
    memory.consolidate(user=user)
    for _ in range(3):
        clock.now_s += 1
        memory.search("harbour", user=user)

    (found,) = memory.search("harbour", user=user)
    assert (found.item.uses, found.item.used_s) == (3, clock.now_s)
    assert held(memory, user)["long"] == 1


def test_a_near_duplicate_joins_what_clickhouse_holds(
    memory: Memory, clock: Clock, user: str
) -> None:
    first = memory.add("the parcel of Ada is late", importance=0.9, user=user)
    memory.consolidate(user=user)
    clock.now_s += 60
    memory.add("The parcel of Ada is late!", importance=0.4, user=user)

    assert memory.consolidate(user=user).merged == 1

    (found,) = memory.search("parcel", user=user)
    assert (found.item.id, found.item.count, found.item.tier) == (first.id, 2, "long")
    assert found.item.content == "The parcel of Ada is late!"
    assert held(memory, user) == {"short": 0, "medium": 0, "long": 1}


def test_forgetting_a_user_empties_every_tier_and_nobody_elses(
    memory: Memory, engine: Engine, user: str
) -> None:
    other = f"{user}-other"
    for name in (user, other):
        for importance in (0.9, 0.5, 0.1):
            memory.add(f"memory of {name} {importance}", importance=importance, user=name)
        memory.consolidate(user=name)
        memory.search("memory", user=name)

    assert memory.forget(user) == 3

    assert held(memory, user) == {"short": 0, "medium": 0, "long": 0}
    assert held(memory, other) == {"short": 1, "medium": 1, "long": 1}
    raw = "SELECT count() AS rows FROM memories WHERE user_id = {user:String}"
    unmasked = f"{raw} SETTINGS apply_deleted_mask = 0"
    assert engine.warehouse.query(unmasked, user=user) == [{"rows": 0}]
    assert memory.forget(user) == 0


def test_what_was_forgotten_does_not_come_back_when_somebody_had_just_found_it(
    memory: Memory, user: str
) -> None:
    item = memory.add("the harbour", importance=0.9, user=user)
    memory.consolidate(user=user)
    memory.forget(user)

    assert memory._long is not None
    memory._long.touch(user, [item.id], 1_800_000_100.0)

    assert held(memory, user)["long"] == 0


def test_cleanup_forgets_what_faded_or_is_too_old_in_clickhouse_too(
    memory: Memory, clock: Clock, user: str
) -> None:
    memory.add("strong", importance=1.0, user=user)
    memory.add("weak", importance=0.8, user=user)
    memory.consolidate(user=user)
    for _ in range(4):
        memory.search("strong", user=user)
    clock.now_s += 90 * DAY_S * 5
    memory.cleanup()
    assert [found.item.content for found in memory.search("strong weak", user=user)] == ["strong"]

    clock.now_s += 10
    memory.cleanup(max_age_s=5)
    assert held(memory, user)["long"] == 0


def test_a_clickhouse_that_is_away_costs_its_memories_only(
    tmp_path: Path, captured_spans: SpanCapture, embedded_url: str
) -> None:
    with connect(with_database(embedded_url, "nowhere")) as gone:
        memory = Memory(path=tmp_path / "m.sqlite", warehouse=gone)
        memory.add("parcel 17", importance=0.9)
        # No migration was ever run on this database.
        with agent("keeper"):
            assert memory.search("parcel")[0].item.content == "parcel 17"
            assert memory.search_by_tags(["parcel"]) == []
        with pytest.raises(WarehouseError):
            memory.consolidate()
        with pytest.raises(WarehouseError):
            memory.forget("")
        memory.close()
    (span,) = captured_spans.named("invoke_agent keeper")
    errors = [event for event in span["events"] if event["name"] == "exception"]
    assert len(errors) == 2
    assert "spanledger migrate" in str(errors)
