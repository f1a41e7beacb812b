"""The fault matrix: what breaks × the way to ClickHouse, and what is stored in the end.

A real agent makes calls while something on its way breaks and heals. Afterwards every call that the
provider was asked for is stored, once where it counts, at its price to the nano-dollar. `sent`,
`stored`, `doubled` and `cost_nano_usd` of each cell are properties of its test (`--junitxml`).
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from spanledger.testing.otlp_server import LostReply, Refuse
from spanledger.testing.providers import MockProvider
from spanledger.testing.proxy import ResetRequest
from spanledger.warehouse import Warehouse
from tests._engines import ClickHouseServer
from tests.pipeline._agents import COST_NANO_USD, SPANS_PER_CALL, Agent, Agents
from tests.pipeline._collector import FAST, Collector
from tests.pipeline._routes import ByCollector, LocalStack, Route
from tests.pipeline._small_disk import small_disk
from tests.pipeline._wait import wait_until
from tests.pipeline.conftest import clickhouse_environment

pytestmark = pytest.mark.storage

ROUTES = ("local stack", "agent.yaml", "gateway.yaml")
#: Some two hundred spans.
_QUEUE_BYTES = 300_000
_numbers = itertools.count(1)

#: Something that happens to a route while an agent works.
Event = Callable[[Route, Agent], None]


@dataclass(frozen=True)
class Fault:
    """What breaks after a third of the calls, and what mends it after two thirds."""

    name: str
    breaks: Event
    heals: Event = lambda route, _agent: route.proxy.heal()
    slow_on: tuple[str, ...] = ROUTES
    """Where it takes long, or shows what another cell shows already."""
    lasts_calls: int = 20


def _stop_during_outage(route: Route, agent: Agent) -> None:
    route.proxy.always(Refuse(status=503))
    agent.after_calls(5)
    route.stop_receiver()


def _stop_during_cut(route: Route, agent: Agent) -> None:
    route.proxy.cut()
    agent.after_calls(5)
    route.stop_receiver()


def _mend_and_start(route: Route, _agent: Agent) -> None:
    route.proxy.heal()
    route.start_receiver()


FAULTS = [
    Fault(
        "collector killed",
        lambda route, _: route.kill_receiver(),
        lambda route, _: route.start_receiver(),
        slow_on=("local stack",),
    ),
    Fault(
        "collector stopped cleanly during an outage",
        _stop_during_outage,
        _mend_and_start,
        slow_on=("local stack", "gateway.yaml"),
    ),
    Fault("collector stopped cleanly during a cut", _stop_during_cut, _mend_and_start),
    Fault(
        "ClickHouse killed",
        lambda route, _: route.kill_store(),
        lambda route, _: route.start_store(),
        slow_on=("agent.yaml",),
    ),
    Fault(
        "ClickHouse 503",
        lambda route, _: route.proxy.always(Refuse(status=503)),
        slow_on=("local stack", "agent.yaml"),
    ),
    Fault(
        "reset before commit",
        lambda route, _: route.proxy.always(ResetRequest()),
        slow_on=("local stack", "gateway.yaml"),
    ),
    Fault(
        "reply lost after commit",
        lambda route, _: route.proxy.enqueue(*[LostReply(reset=True)] * 3),
        slow_on=("local stack",),
    ),
    # Longer than any time-out on the way, as 60 seconds are.
    Fault(
        "network cut",
        lambda route, _: route.proxy.cut(),
        slow_on=("local stack",),
        lasts_calls=60,
    ),
]
_CELLS = [
    pytest.param(route, fault, marks=[pytest.mark.slow] if route in fault.slow_on else [])
    for fault in FAULTS
    for route in ROUTES
]


@dataclass(frozen=True)
class Stored:
    """What is in the tables."""

    spans: int
    """Rows of the landing table."""
    unique: int
    calls: int
    cost_nano_usd: int


def stored(warehouse: Warehouse) -> Stored:
    [spans] = warehouse.query(
        "SELECT count() AS spans, uniqExact(TraceId, SpanId) AS single FROM otel_traces"
    )
    [calls] = warehouse.query("SELECT count() AS calls, sum(cost_usd) AS usd FROM calls")
    # The sum of no rows is NULL.
    cost_nano_usd = int((calls["usd"] or 0) * 10**9)
    return Stored(spans["spans"], spans["single"], calls["calls"], cost_nano_usd)


MakeRoute = Callable[..., Route]


@pytest.fixture
def make_route(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeRoute]:
    """One of the three ways, started; what it keeps on disk is on `disk`, if one is given."""
    made: list[Route] = []

    def make(name: str, disk: Path | None = None) -> Route:
        if name == "local stack":
            pytest.importorskip("chdb", reason="the embedded engine is not installed")
            made.append(LocalStack((disk or tmp_path) / "stack"))
        else:
            request.getfixturevalue("collector_binary")
            server = request.getfixturevalue("server")
            made.append(_by_collector(name, server, tmp_path, disk or tmp_path))
        return made[0]

    yield make
    for route in made:
        route.close()


def _by_collector(
    config: str, server: ClickHouseServer, directory: Path, disk: Path, **more: str
) -> ByCollector:
    database = f"faults_{next(_numbers)}"

    def collector(clickhouse: str) -> Collector:
        environment = {
            **clickhouse_environment(server, database, clickhouse),
            "SPANLEDGER_QUEUE_DIR": str(disk / "queue"),
            **more,
        }
        settings = (*FAST, "exporters.clickhouse.timeout=1s")
        return Collector(directory / "collector", [config], environment, settings)

    return ByCollector(server, database, collector)


@pytest.fixture
def provider() -> Iterator[MockProvider]:
    with MockProvider() as provider:
        yield provider


@pytest.fixture
def make_agents(provider: MockProvider, tmp_path: Path) -> Iterator[Callable[[Route], Agents]]:
    """Agents in front of a route."""
    made: list[Agents] = []

    def make(route: Route) -> Agents:
        made.append(Agents(tmp_path / "agent", provider, route.endpoint))
        return made[0]

    yield make
    for agents in made:
        agents.stop()


Record = Callable[[str, object], None]


def note(record: Record, calls: int, found: Stored) -> None:
    """Of a cell of the matrix."""
    record("sent", calls * SPANS_PER_CALL)
    record("stored", found.unique)
    record("doubled", found.spans - found.unique)
    record("cost_nano_usd", found.cost_nano_usd)


def _complete(found: Stored, calls: int) -> bool:
    return found.calls >= calls and found.unique >= calls * SPANS_PER_CALL


def assert_all_stored(route: Route, calls: int, record: Record) -> None:
    """Every call is there, once where it counts, at its price."""
    with route.warehouse() as warehouse:
        wait_until(lambda: _complete(stored(warehouse), calls))
        found = stored(warehouse)
    note(record, calls, found)
    assert found.unique == calls * SPANS_PER_CALL
    assert found.calls == calls
    assert found.cost_nano_usd == calls * COST_NANO_USD


@pytest.mark.parametrize(
    ("name", "fault"), _CELLS, ids=lambda value: value.name if isinstance(value, Fault) else value
)
def test_nothing_is_lost_and_nothing_counts_twice(
    name: str,
    fault: Fault,
    make_route: MakeRoute,
    make_agents: Callable[[Route], Agents],
    provider: MockProvider,
    record_property: Record,
) -> None:
    route = make_route(name)
    agents = make_agents(route)
    agent = agents.start(40 + fault.lasts_calls, 0.03)
    agent.after_calls(20)
    fault.breaks(route, agent)
    agent.after_calls(fault.lasts_calls)
    fault.heals(route, agent)
    agent.wait()
    agents.drain()
    assert_all_stored(route, provider.calls(), record_property)
    if fault.name == "reply lost after commit":
        # Or else nothing was lost, and the cell shows nothing.
        assert route.proxy.injected


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("local stack", marks=pytest.mark.slow),
        "agent.yaml",
        pytest.param("gateway.yaml", marks=pytest.mark.slow),
    ],
)
def test_a_killed_agent_loses_no_more_than_its_last_moment(
    name: str,
    make_route: MakeRoute,
    make_agents: Callable[[Route], Agents],
    provider: MockProvider,
    record_property: Record,
) -> None:
    """What ended in the last tenth of a second is in memory only; all else is stored."""
    route = make_route(name)
    agents = make_agents(route)
    agent = agents.start(1000, 0.03)
    agent.after_calls(50)
    agent.kill()
    agents.drain()
    made = provider.calls()
    with route.warehouse() as warehouse:
        assert wait_until(lambda: stored(warehouse).unique >= agent.delivered)
        wait_until(lambda: stored(warehouse).calls >= made, timeout_s=3)
        found = stored(warehouse)
    note(record_property, made, found)
    # At 30 ms and more a call, no more than a few can end between two writes to the disk.
    assert made - 20 <= found.calls <= made
    assert found.cost_nano_usd == found.calls * COST_NANO_USD


@pytest.mark.slow
def test_a_full_disk_under_the_local_stack_loses_nothing(
    make_route: MakeRoute,
    make_agents: Callable[[Route], Agents],
    provider: MockProvider,
    tmp_path: Path,
    record_property: Record,
) -> None:
    """Its senders keep what it can't take."""
    with small_disk(tmp_path / "disk", 200) as disk:
        route = make_route("local stack", disk.path)
        agents = make_agents(route)
        agent = agents.start(100, 0.03)
        agent.after_calls(20)
        disk.fill()
        agent.after_calls(50)
        behind = agent.accepted - agent.delivered
        disk.free()
        agent.wait()
        agents.drain()
        assert_all_stored(route, provider.calls(), record_property)
        # Or else the disk was never full for it.
        assert behind > 60
        route.close()


@pytest.mark.slow
def test_a_collector_whose_queue_is_full_loses_nothing(
    collector_binary: Path,
    server: ClickHouseServer,
    make_agents: Callable[[Route], Agents],
    provider: MockProvider,
    tmp_path: Path,
    record_property: Record,
) -> None:
    """That is why SPANLEDGER_QUEUE_BYTES is to be less than what its disk holds."""
    size = {"SPANLEDGER_QUEUE_BYTES": str(_QUEUE_BYTES)}
    route = _by_collector("agent.yaml", server, tmp_path, tmp_path, **size)
    agents = make_agents(route)
    agent = agents.start(400, 0.01)
    agent.after_calls(20)
    route.proxy.always(Refuse(status=503))
    agent.after_calls(250)
    behind = agent.accepted - agent.delivered
    route.proxy.heal()
    agent.wait()
    agents.drain()
    assert_all_stored(route, provider.calls(), record_property)
    # Or else the queue was never full.
    assert behind > 60
    route.close()


@pytest.mark.slow
def test_a_collector_whose_disk_is_full_says_what_it_loses(
    collector_binary: Path,
    server: ClickHouseServer,
    make_agents: Callable[[Route], Agents],
    provider: MockProvider,
    tmp_path: Path,
    record_property: Record,
) -> None:
    """Its queue gives up a batch of which it can't write down that it is being sent."""
    with small_disk(tmp_path / "disk", 200) as disk:
        debug = {"SPANLEDGER_LOG_LEVEL": "debug"}
        route = _by_collector("agent.yaml", server, tmp_path, disk.path, **debug)
        agents = make_agents(route)
        agent = agents.start(100, 0.03)
        agent.after_calls(20)
        disk.fill()
        route.proxy.always(Refuse(status=503))
        agent.after_calls(50)
        route.proxy.heal()
        disk.free()
        agent.wait()
        agents.drain()
        given_up = route.collector.log().count("Failed to dispatch item")
        sent = provider.calls() * SPANS_PER_CALL
        with route.warehouse() as warehouse:
            wait_until(lambda: stored(warehouse).unique >= sent, 30 if not given_up else 3)
            found = stored(warehouse)
        note(record_property, provider.calls(), found)
        assert found.unique == sent or given_up
        assert found.cost_nano_usd == found.calls * COST_NANO_USD
        route.close()


@pytest.mark.slow
def test_a_full_disk_under_clickhouse_loses_nothing_behind_a_gateway(
    collector_binary: Path,
    make_agents: Callable[[Route], Agents],
    provider: MockProvider,
    tmp_path: Path,
    record_property: Record,
) -> None:
    """A gateway has no disk; what it has not answered is still with the agent."""
    with small_disk(tmp_path / "disk", 200) as disk:
        server = ClickHouseServer(disk.path / "clickhouse").start()
        try:
            route = _by_collector("gateway.yaml", server, tmp_path, tmp_path)
            agents = make_agents(route)
            agent = agents.start(100, 0.03)
            agent.after_calls(20)
            disk.fill()
            agent.after_calls(50)
            behind = agent.accepted - agent.delivered
            disk.free()
            agent.wait()
            agents.drain()
            assert_all_stored(route, provider.calls(), record_property)
            assert behind > 60
            route.close()
        finally:
            server.kill()
