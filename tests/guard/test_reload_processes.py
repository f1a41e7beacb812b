"""Rules that change, seen from event loops, forked children and other processes."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from spanledger import track
from spanledger.config import GuardSettings
from spanledger.guard import (
    CeilingReached,
    Guard,
    MemoryStore,
    Policy,
    Spending,
    Store,
    current,
    ready,
    ready_async,
    use,
)
from spanledger.guard.policy_file import PolicyFile
from spanledger.guard.reloading import Reloader
from spanledger.guard.rulebook import define
from spanledger.guard.stores import SqliteStore
from tests.guard._calls import call
from tests.guard._wait import PATIENCE_S, until

QUICKLY = GuardSettings(on_contention="refuse", reload_s=0.01)
NOTHING = define("budgets", {"name": "b", "metric": "calls", "window": "total", "limit": 0})


@pytest.fixture(autouse=True)
def _guard_of_before() -> Iterator[None]:
    before = current()
    yield
    use(before)


def _follow(store: Store, policy: Policy | None = None, file: PolicyFile | None = None) -> None:
    guard = Guard(policy, settings=QUICKLY, store=store)
    guard.follow(Reloader(guard.policy, store, QUICKLY, file=file))
    use(guard)


def _allowed() -> bool:
    decision = ready().admit(call())
    if decision.reservation is not None:
        current().settle(decision.reservation, Spending(1, 1))
    return decision.allowed


# --- event loops ----------------------------------------------------------------------------


class Slow(MemoryStore):
    """Answers about its rules when it is told to, and notes on which threads it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = threading.Event()
        self.threads: set[int] = set()

    def rules(self) -> Mapping[str, str]:
        self.threads.add(threading.get_ident())
        assert self.answer.wait(PATIENCE_S), "the event loop stood still"
        return super().rules()


async def test_the_first_calls_on_an_event_loop_leave_it_running() -> None:
    """The store answers only once the loop has gone on."""
    store = Slow()
    store.put_rule("b", NOTHING)
    _follow(store)

    async def first() -> str:
        return (await (await ready_async()).admit_async(call())).reason

    calls = [asyncio.create_task(first()) for _ in range(20)]
    await asyncio.sleep(0.01)
    store.answer.set()
    assert await asyncio.gather(*calls) == ["budget_exhausted"] * 20
    assert threading.get_ident() not in store.threads


async def test_a_tool_on_an_event_loop_knows_the_rules_too() -> None:
    store = Slow()
    store.put_rule("c", define("ceilings", {"name": "c", "max_steps": 0}))
    _follow(store)

    @track.tool
    async def look() -> str:
        return "seen"

    call_ = asyncio.create_task(look())
    await asyncio.sleep(0.01)
    store.answer.set()
    with pytest.raises(CeilingReached):
        await call_
    assert threading.get_ident() not in store.threads


async def test_a_blocking_call_on_an_event_loop_asks_the_store_from_another_thread() -> None:
    """Drivers may not be used on two threads, or refuse to run where a loop does."""
    store = Slow()
    store.answer.set()
    store.put_rule("b", NOTHING)
    _follow(store)
    assert not ready().admit(call()).allowed
    assert threading.get_ident() not in store.threads


async def test_a_first_call_that_is_cancelled_leaves_the_next_one_to_go_on() -> None:
    store = Slow()
    store.put_rule("b", NOTHING)
    _follow(store)
    call_ = asyncio.create_task(ready_async())
    await asyncio.sleep(0.01)
    call_.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call_
    store.answer.set()
    assert not (await ready_async()).admit(call()).allowed


# --- forks ----------------------------------------------------------------------------------


def _in_child(work: object, answers: Connection) -> None:
    """What a forked child does; it leaves without the cleanup of its parent."""
    status = 1
    try:
        answers.send(work())  # type: ignore[operator]  # a function
        status = 0
    finally:
        os._exit(status)


def _fork(work: object) -> tuple[int, Connection]:
    mine, childs = multiprocessing.Pipe()
    pid = os.fork()
    if pid == 0:
        _in_child(work, childs)
    childs.close()
    return pid, mine


def _answer(child: tuple[int, Connection]) -> object:
    pid, answers = child
    try:
        assert answers.poll(PATIENCE_S), "the child hangs"
        return answers.recv()
    finally:
        os.waitpid(pid, 0)


@pytest.mark.parametrize("calls_before", [0, 1], ids=["before-any-call", "after-a-call"])
def test_a_forked_child_obeys_rules_that_come_after_the_fork(
    tmp_path: Path, calls_before: int
) -> None:
    """As the workers of a server do, whose master has loaded the agent."""
    path = tmp_path / "ledger.sqlite"
    _follow(SqliteStore(path))
    for _ in range(calls_before):
        assert _allowed()

    called, calls = multiprocessing.Pipe()

    def child() -> bool:
        first = _allowed()
        calls.send(first)
        until(lambda: not _allowed())
        return first

    other, children = SqliteStore(path), [_fork(child) for _ in range(3)]
    for _ in children:
        assert called.poll(PATIENCE_S), "a child's first call hangs"
        assert called.recv() is True
    other.put_rule("b", NOTHING)
    assert [_answer(each) for each in children] == [True] * 3
    until(lambda: not _allowed())
    other.close()


def test_the_first_call_of_a_child_knows_what_changed_since_its_parent_looked(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite"
    _follow(SqliteStore(path))
    use(current())
    assert _allowed()
    follower = current().follower
    assert follower is not None
    follower.stop()
    other = SqliteStore(path)
    other.put_rule("b", NOTHING)
    other.close()
    assert _answer(_fork(_allowed)) is False


def test_a_fork_in_the_middle_of_a_look_hangs_nobody(tmp_path: Path) -> None:
    """The child's lock is its own."""
    store = Slow()
    store.put_rule("b", NOTHING)
    _follow(store)
    looking = threading.Thread(target=ready, daemon=True)
    looking.start()
    until(lambda: store.threads)

    def child() -> bool:
        store.answer = threading.Event()
        store.answer.set()
        return _allowed()

    assert _answer(_fork(child)) is False
    store.answer.set()
    looking.join(PATIENCE_S)
    assert not looking.is_alive()


# --- other processes ------------------------------------------------------------------------


def _agent(path: Path, policy: Path, answers: Connection) -> None:
    """Calls until one is refused, then until one passes again, as often as it is asked."""
    file = PolicyFile({}, policy)
    _follow(SqliteStore(path), file.policy(), file)
    for wanted in iter(answers.recv, None):
        until(lambda wanted=wanted: _allowed() is wanted)  # type: ignore[misc]  # binds the loop's value
        answers.send(sorted(b.limit for b in current().policy.budgets))


@pytest.fixture(params=["fork", "spawn"])
def agent(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    # A spawned process gets this one's `sys.path`, and imports the function that it runs.
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    context = multiprocessing.get_context(request.param)
    mine, agents = context.Pipe()
    process = context.Process(target=_agent, args=(tmp_path / "l.sqlite", tmp_path, agents))
    process.start()
    agents.close()
    yield mine
    mine.send(None)
    process.join(PATIENCE_S)
    assert process.exitcode == 0


def _after(agent: Connection, wanted: bool) -> object:
    agent.send(wanted)
    assert agent.poll(30), "the agent did not come to that"
    return agent.recv()


def test_a_running_agent_obeys_what_another_process_decides(
    agent: Connection, tmp_path: Path
) -> None:
    """A limit that is made, changed and taken back, and one in the file."""
    assert _after(agent, True) == []
    with_rules = SqliteStore(tmp_path / "l.sqlite")
    with_rules.put_rule("b", NOTHING)
    assert _after(agent, False) == [0]
    many = {"name": "b", "metric": "calls", "window": "total", "limit": 10**6}
    with_rules.put_rule("b", define("budgets", many))
    assert _after(agent, True) == [10**6]
    with_rules.put_rule("b", None)
    file = tmp_path / "spanledger.toml"
    file.write_text('[[budgets]]\nname = "f"\nmetric = "calls"\nwindow = "total"\nlimit = 0\n')
    assert _after(agent, False) == [0]
    with_rules.close()


def test_a_process_that_only_meters_makes_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ledger.sqlite"
    _follow(SqliteStore(path))
    assert _allowed()
    time.sleep(0.05)
    assert not path.parent.exists()


#: The thread looks all the time, and its third look never ends.
_PROGRAM = """
import threading, time
from spanledger.config import GuardSettings
from spanledger.guard import Guard, MemoryStore, ready, use
from spanledger.guard.reloading import Reloader

class Stuck(MemoryStore):
    looks = 0
    def rules(self):
        self.looks += 1
        if self.looks > 2 and {stuck}:
            threading.Event().wait()
        return {{}}

settings = GuardSettings(reload_s={reload_s})
guard = Guard(settings=settings, store=Stuck())
guard.follow(Reloader(guard.policy, guard.store, settings))
use(guard)
ready()
while {stuck} and guard.store.looks < 3:
    time.sleep(0.001)
print(time.time())
"""


@pytest.mark.parametrize(
    ("reload_s", "stuck"), [(3600.0, False), (0.001, False), (0.001, True)],
    ids=["waiting", "busy", "stuck"],
)  # fmt: skip
def test_a_process_ends_at_once_while_its_rules_are_followed(reload_s: float, stuck: bool) -> None:
    program = _PROGRAM.format(reload_s=reload_s, stuck=stuck)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    took_s = time.time() - float(done.stdout)
    assert done.stderr == ""
    # A look under way is given a second: it may hold a lock of the ledger.
    assert took_s < 1.0 + PATIENCE_S / 4
