"""What the process uses: read from the system, seldom."""

import os
import threading

from spanledger.health import vitals
from spanledger.health.process import Sampler, Vitals
from spanledger.health.usage import Usage, read_usage
from spanledger.testing.clock import TickingClock


def test_the_system_tells_of_this_process() -> None:
    found = vitals()
    assert found.memory_bytes is not None
    assert found.memory_bytes > 10 * 2**20
    assert found.memory is not None
    assert 0 < found.memory < 1
    assert (found.threads or 0) >= threading.active_count()
    assert (found.open_files or 0) > 0


def test_a_new_file_is_seen() -> None:
    before = read_usage()
    descriptor = os.dup(0)
    after = read_usage()
    os.close(descriptor)
    assert before is not None
    assert after is not None
    assert (after.open_files or 0) == (before.open_files or 0) + 1


def test_the_process_is_read_at_most_once_in_five_seconds() -> None:
    clock, reads = TickingClock(), []

    def read() -> Usage:
        reads.append(1)
        return Usage(1, 0.0, 1, 1)

    sampler = Sampler(read, clock.monotonic)
    for _ in range(11):
        sampler()
        clock.advance(1.0)
    assert len(reads) == 3


def test_cpu_is_a_share_of_all_processors_since_the_reading_before() -> None:
    clock, cpu_s = TickingClock(), [100.0]
    sampler = Sampler(lambda: Usage(1, cpu_s[0], 1, 1), clock.monotonic, processors=4)
    assert sampler().cpu is None
    clock.advance(10.0)
    cpu_s[0] += 20.0
    assert sampler().cpu == 0.5


def test_a_system_that_tells_nothing_is_no_error() -> None:
    assert Sampler(lambda: None)() == Vitals()
    assert Vitals().memory is None
    assert Vitals(memory_bytes=1, memory_limit_bytes=0).memory is None
