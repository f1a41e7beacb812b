"""The bounded queue and its books."""

import gc
import threading
import weakref

from hypothesis import given
from hypothesis import strategies as st

from spanledger.processors.queue import Books, BoundedQueue
from tests.processors._exporting import assert_law

STEP = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 5)),
    st.tuples(st.just("take"), st.integers(1, 5)),
    st.tuples(st.just("settle"), st.integers(0, 5)),
    st.tuples(st.just("spool"), st.just(0)),
    st.tuples(st.just("settle spooled"), st.integers(0, 5)),
    st.tuples(st.just("adopt"), st.integers(1, 5)),
    st.tuples(st.just("drop all"), st.just(0)),
)


@given(size=st.integers(1, 6), steps=st.lists(STEP, max_size=40))
def test_the_law_holds_after_every_step(size: int, steps: list[tuple[str, int]]) -> None:
    """accepted = delivered + spooled + dropped; never more than the size is kept."""
    queue, batch, put, on_disk = BoundedQueue[int](size), list[int](), 0, 0
    for step, number in steps:
        if step == "put":
            for _ in range(number):
                queue.put(put)
                put += 1
        elif step == "take":
            if not batch:
                batch = queue.take(number)
                assert batch == sorted(batch)
        elif step == "spool":
            queue.spool(len(batch))
            on_disk += len(batch)
            batch = []
        elif step == "settle spooled":
            gone = min(number + 1, on_disk)
            queue.settle_spooled(gone, delivered=min(number, gone), reason="spool_full")
            on_disk -= gone
        elif step == "adopt":
            queue.adopt(number)
            on_disk += number
            put += number
        elif step == "settle":
            queue.settle(len(batch), delivered=min(number, len(batch)), reason="rejected")
            batch = []
        else:
            queue.drop_all("shutdown")
        books = queue.books()
        assert_law(books)
        assert books.accepted == put
        assert books.on_disk == on_disk
        assert books.spooled - on_disk == len(queue) <= size + 1


def test_the_oldest_makes_room() -> None:
    """What happens now is worth more than what happened long ago."""
    queue = BoundedQueue[int](3)
    for number in range(5):
        queue.put(number)
    assert queue.take(10) == [2, 3, 4]
    assert queue.books() == Books(5, 0, 3, 2, {"queue_full": 2})


def test_bytes_are_bounded_as_well_as_items() -> None:
    """A span may hold megabytes. The one that just came stays, however large it is."""
    queue = BoundedQueue[int](100, max_bytes=10, weigh=lambda number: number)
    for number in (3, 3, 3, 3):
        queue.put(number)
    assert queue.books() == Books(4, 0, 3, 1, {"queue_full": 1})
    queue.put(50)
    assert queue.books() == Books(5, 0, 1, 4, {"queue_full": 4})
    queue.put(4)
    assert queue.take(10) == [4]


@given(weights=st.lists(st.integers(0, 9), max_size=30), most=st.integers(1, 20))
def test_a_batch_holds_so_many_bytes_at_most_or_one_item(weights: list[int], most: int) -> None:
    """And the batches together are what was put, in order."""
    queue = BoundedQueue[int](100, weigh=lambda number: number)
    for number in weights:
        queue.put(number)
    seen: list[int] = []
    while batch := queue.take(5, most_bytes=most):
        assert len(batch) == 1 or sum(batch) <= most
        assert len(batch) <= 5
        seen += batch
    assert seen == weights


def test_threads_lose_nothing_and_count_everything() -> None:
    """Eight of them put while one takes."""
    queue = BoundedQueue[int](100)
    delivered = 0

    def put() -> None:
        for number in range(2000):
            queue.put(number)

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        batch = queue.take(7)
        queue.settle(len(batch), delivered=len(batch))
        delivered += len(batch)
    books = queue.books()
    assert_law(books)
    assert books.accepted == 16_000
    assert books.delivered == delivered


class _Cycle:
    """Garbage that only the collector can find."""

    def __init__(self) -> None:
        self.itself = self


def test_a_finaliser_that_puts_inside_the_queue_does_not_hang() -> None:
    """The collector ends an abandoned stream's span while this thread holds the lock."""
    queue = BoundedQueue[int](10)

    def work() -> None:
        weakref.finalize(_Cycle(), queue.put, 2)
        with queue._lock:
            gc.collect()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10.0)
    assert not thread.is_alive()
    assert queue.take(10) == [2]
