"""One memory over a process and a file."""

import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanledger.context.memory import InvalidMemory, Memory, MemoryUnavailable
from spanledger.testing.spans import SpanCapture
from spanledger.track import agent

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own" / "memory.sqlite"


@pytest.fixture
def memory(path: Path, clock: Clock) -> Iterator[Memory]:
    made = Memory(path=path, clock=clock)
    yield made
    made.close()


def contents(memory: Memory, query: str, user: str = "") -> list[str]:
    return [found.item.content for found in memory.search(query, user=user)]


def test_what_matters_is_in_the_file_and_the_rest_in_the_process(memory: Memory) -> None:
    memory.add("parcel 17 is late", importance=0.6)
    memory.add("the parcel is blue", importance=0.1)

    held = {name: stats.items for name, stats in memory.stats().items()}
    assert held == {"short": 1, "medium": 1}
    assert set(contents(memory, "parcel")) == {"parcel 17 is late", "the parcel is blue"}


def test_a_search_puts_the_best_fit_first_and_a_stronger_memory_before_a_faded_one(
    memory: Memory, clock: Clock
) -> None:
    memory.add("the harbour of parcel 17")
    clock.now_s += 20 * DAY_S
    memory.add("the harbour of parcel 18")
    memory.add("lunch")

    assert contents(memory, "harbour") == ["the harbour of parcel 18", "the harbour of parcel 17"]
    assert contents(memory, "harbour 17")[0] == "the harbour of parcel 17"
    assert contents(memory, "zebra") == []


def test_users_never_see_each_others_memories(memory: Memory) -> None:
    for importance in (0.1, 0.9):
        memory.add("ada's parcel", importance=importance, tags=["parcel"], user="ada")

    assert contents(memory, "parcel", "bob") == contents(memory, "parcel") == []
    assert memory.search_by_tags(["parcel"], user="bob") == []
    assert memory.stats("bob")["medium"].items == 0


def test_tags_are_found_by_any_or_by_every_one_of_them(memory: Memory) -> None:
    for importance in (0.1, 0.9):
        memory.add("one", importance=importance, tags=["a"])
        memory.add("both", importance=importance, tags=["a", "b"])

    assert len(memory.search_by_tags(["a", "b"])) == 4
    assert {item.content for item in memory.search_by_tags(["a", "b"], every=True)} == {"both"}
    assert len(memory.search_by_tags("b")) == 2


def test_what_was_found_twice_goes_from_the_process_to_the_file(memory: Memory, path: Path) -> None:
    memory.add("the parcel is blue", importance=0.1)
    for _ in range(2):
        assert contents(memory, "parcel") == ["the parcel is blue"]

    assert memory.stats()["short"].items == 0
    other = Memory(path=path)
    assert contents(other, "parcel") == ["the parcel is blue"]
    other.close()


def test_what_fades_is_forgotten_unless_it_was_used(memory: Memory, clock: Clock) -> None:
    memory.add("used twice", importance=0.4)
    memory.add("never again", importance=0.4)
    memory.add("in passing", importance=0.1)
    for _ in range(2):
        contents(memory, "twice")
    clock.now_s += 7 * DAY_S * 4

    assert memory.cleanup() == 2
    assert contents(memory, "used never in passing") == ["used twice"]


def test_cleanup_forgets_what_was_not_used_for_the_given_time(memory: Memory, clock: Clock) -> None:
    for importance in (0.29, 0.9):
        memory.add("old", importance=importance)
    clock.now_s += HOUR_S
    memory.add("new", importance=0.29)

    assert memory.cleanup(max_age_s=1800) == 2
    assert contents(memory, "old new") == ["new"]


def test_consolidating_merges_near_duplicates_over_the_tiers_with_counts(memory: Memory) -> None:
    memory.add("The parcel of Ada is late.", importance=0.2)
    memory.add("the parcel of Ada is late", importance=0.5, tags=["late"])
    memory.add("Parcel of Ada is late!", importance=0.4)
    memory.add("lunch is at noon", importance=0.2)

    done = memory.consolidate()

    assert done.merged == 2
    (found,) = memory.search("parcel")
    assert (found.item.count, found.item.tags, found.item.importance) == (3, ("late",), 0.5)
    assert {name: stats.items for name, stats in memory.stats().items()} == {
        "short": 1,
        "medium": 1,
    }
    assert memory.consolidate().merged == 0


def test_forgetting_a_user_leaves_no_trace_of_the_text_in_the_file(
    memory: Memory, path: Path
) -> None:
    for number in range(50):
        memory.add(f"ada likes zebras {number}", importance=0.9, tags=["zebras"], user="ada")
    memory.add("ada likes zebras", importance=0.1, user="ada")
    memory.add("bob likes ducks", importance=0.9, user="bob")

    assert memory.forget("ada") == 51
    assert memory.forget("ada") == 0

    assert contents(memory, "zebras likes", "ada") == []
    assert contents(memory, "ducks", "bob") == ["bob likes ducks"]
    assert b"zebras" not in b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_the_short_tier_is_bounded_and_the_weakest_goes_first(path: Path, clock: Clock) -> None:
    memory = Memory(path=path, clock=clock, max_short_items=10)
    for number in range(50):
        memory.add(f"note {number}", importance=0.2 if number == 0 else 0.1)

    assert memory.stats()["short"].items == 10
    assert contents(memory, "note 0")[0] == "note 0"
    memory.close()


def test_the_file_is_nobody_elses_to_read(memory: Memory, path: Path) -> None:
    memory.add("secret plans")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_file_lies_in_the_data_directory_by_default() -> None:
    memory = Memory()
    memory.add("anything")
    memory.close()

    assert (Path(os.environ["SPANLEDGER_DATA_DIR"]) / "memory.sqlite").exists()


@pytest.mark.parametrize("wrong", ["directory", "garbage"])
def test_a_file_that_can_not_be_used_is_a_clear_error(tmp_path: Path, wrong: str) -> None:
    place = tmp_path / "memory.sqlite"
    if wrong == "directory":
        place.mkdir()
    else:
        place.write_bytes(b"this is no database at all" * 100)

    with pytest.raises(MemoryUnavailable, match=r"memory\.sqlite"):
        Memory(path=place).add("anything")


def test_what_can_not_be_remembered_is_refused(memory: Memory) -> None:
    for content, importance in (("  ", 0.5), ("x" * 100_001, 0.5), ("x", 1.5), ("x", -0.1)):
        with pytest.raises(InvalidMemory):
            memory.add(content, importance)
    with pytest.raises(InvalidMemory, match="list"):
        memory.add("x", tags="parcel")
    assert memory.stats()["medium"].items == 0


def test_a_memory_tells_its_acts_but_no_content(
    memory: Memory, captured_spans: SpanCapture
) -> None:
    with agent("keeper"):
        memory.add("the secret parcel")
        memory.search("secret")

    (span,) = captured_spans.named("invoke_agent keeper")
    assert [event["name"] for event in span["events"]] == ["memory added", "memory searched"]
    assert "secret" not in str(span["events"])


def test_threads_may_add_search_and_consolidate_at_once(memory: Memory) -> None:
    start = threading.Barrier(4)

    def work(name: int) -> None:
        start.wait()
        for number in range(15):
            memory.add(f"{name} thing {number}", importance=(0.1, 0.5)[number % 2])
            memory.search(f"{name} thing")
        memory.consolidate()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = memory.search("thing", limit=1000)
    assert len({one.item.content for one in found}) == len(found) == 60


def test_a_forked_child_has_a_connection_of_its_own(memory: Memory, path: Path) -> None:
    memory.add("from the parent")
    child = os.fork()
    if child == 0:
        try:
            memory.add("from the child")
        except BaseException:  # noqa: BLE001 - whatever it is, the child must end here
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    memory.add("from the parent again")
    assert len(contents(memory, "from the")) == 3


ADDING = """
import itertools, sys
from pathlib import Path
from spanledger.context.memory import Memory
memory = Memory(path=Path(sys.argv[1]))
for number in itertools.count():
    memory.add(f"thing {number} of many", importance=0.5)
    if number % 7 == 6:
        memory.consolidate()
    print(number, flush=True)
"""


@pytest.mark.parametrize("until", [3, 20, 41])
def test_what_was_added_survives_kill_9(path: Path, until: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", ADDING, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if int(line) == until:
                break
        process.send_signal(signal.SIGKILL)
        added = until + 1 + len(process.stdout.read().splitlines())
    assert process.wait() == -signal.SIGKILL

    memory = Memory(path=path)
    found = {one.item.content for one in memory.search("thing", limit=10_000)}
    memory.close()
    # One more may have been written and not told.
    assert {f"thing {number} of many" for number in range(added)} <= found
    assert len(found) <= added + 1
