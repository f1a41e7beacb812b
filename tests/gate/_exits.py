"""The ways to leave a stream, each as what a program does, and what the program saw of it."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from spanledger.testing.providers import Behaviour, CutStream, Reply, StreamError

WORDS = "one two three four five six seven eight nine ten eleven twelve"
_REPLY = Reply(text=WORDS)
#: After its first event there is silence for longer than any consumer here waits.
_STALLED = Reply(text=WORDS, chunk_delay_s=30.0)

FORGOTTEN = ("abandoned", "closed")

#: Opens a new stream of the endpoint under test.
Open = Callable[[], Any]


class ConsumerFailed(Exception):
    """What the consumer of a stream raises."""


@dataclass
class Seen:
    """What the program got: pieces in order, and the error that reached it."""

    pieces: list[Any] = field(default_factory=list)
    error: str = ""

    def take(self, chunk: Any) -> None:
        self.pieces.append(_piece(chunk))


def _piece(chunk: Any) -> Any:
    if isinstance(chunk, dict):
        return chunk
    # Mistral's events; Cohere's and Ollama's are compared as a whole, without ids and times.
    chunk = getattr(chunk, "data", chunk)
    if type(chunk).__module__.partition(".")[0] in {"cohere", "ollama"}:
        return type(chunk).__name__, chunk.model_dump(exclude={"id", "created_at"})
    if hasattr(chunk, "candidates"):
        return [(c.content.parts[0].text, c.finish_reason) for c in chunk.candidates]
    choices = getattr(chunk, "choices", None)
    if choices is not None:
        texts = [c.text if hasattr(c, "text") else c.delta.content for c in choices]
        return [(t, c.finish_reason) for t, c in zip(texts, choices, strict=True)]
    delta = getattr(chunk, "delta", None)
    return chunk.type, getattr(delta, "text", delta if isinstance(delta, str) else None)


@dataclass(frozen=True)
class Exit:
    """One way to leave: how the server behaves, what the program does, what is recorded."""

    name: str
    leave: Callable[[Open, Seen], Any]
    #: More than one where it depends on what is collected first: the stream, or the client's
    #: own generator, which closes the response.
    outcomes: tuple[str, ...]
    server: Behaviour = _REPLY
    timeout_s: float = 30.0
    #: A reset may overtake bytes that nobody has read yet, so that runs differ in what arrived.
    same_pieces: bool = True


# --- plain ---------------------------------------------------------------------------------


def exhaust(open_stream: Open, seen: Seen) -> None:
    for chunk in open_stream():
        seen.take(chunk)


def drop_after_two(open_stream: Open, seen: Seen) -> None:
    for chunk in open_stream():
        seen.take(chunk)
        if len(seen.pieces) == 2:
            break


def close_after_two(open_stream: Open, seen: Seen) -> None:
    stream = open_stream()
    seen.take(next(stream))
    seen.take(next(stream))
    stream.close()


def leave_the_block(open_stream: Open, seen: Seen) -> None:
    with open_stream() as stream:
        seen.take(next(stream))


def fail_in_the_block(open_stream: Open, seen: Seen) -> None:
    with open_stream() as stream:
        for chunk in stream:
            seen.take(chunk)
            raise ConsumerFailed


def fail_in_the_loop(open_stream: Open, seen: Seen) -> None:
    for chunk in open_stream():
        seen.take(chunk)
        raise ConsumerFailed


def interrupt_in_the_block(open_stream: Open, seen: Seen) -> None:
    with open_stream() as stream:
        seen.take(next(stream))
        raise KeyboardInterrupt


def forget_in_a_cycle(open_stream: Open, seen: Seen) -> None:
    held: dict[str, Any] = {"stream": open_stream()}
    held["itself"] = held
    seen.take(next(held["stream"]))


def never_iterate(open_stream: Open, seen: Seen) -> None:
    open_stream()


def close_before_the_first(open_stream: Open, seen: Seen) -> None:
    with closing(open_stream()):
        pass


def _in_two_ways(leave: Callable[[Open, Seen], Any]) -> tuple[Exit, ...]:
    """What the server can do to a reader: `leave` reads until something happens."""
    return (
        Exit("exhausted", leave, ("completed",)),
        Exit("server-cut", leave, ("failed",), CutStream(after_chunks=4, reply=_REPLY)),
        Exit(
            "server-reset",
            leave,
            ("failed",),
            CutStream(after_chunks=4, reply=_REPLY, reset=True),
            same_pieces=False,
        ),
        Exit("server-error", leave, ("failed",), StreamError(after_chunks=4, reply=_REPLY)),
        Exit("timeout", leave, ("failed",), _STALLED, timeout_s=0.5),
    )


EXITS = (
    *_in_two_ways(exhaust),
    Exit("break-and-drop", drop_after_two, FORGOTTEN),
    Exit("close", close_after_two, ("closed",)),
    Exit("with-block", leave_the_block, ("closed",)),
    Exit("error-in-block", fail_in_the_block, ("closed",)),
    Exit("error-in-loop", fail_in_the_loop, FORGOTTEN),
    Exit("interrupt", interrupt_in_the_block, ("closed",)),
    Exit("garbage-collected", forget_in_a_cycle, FORGOTTEN),
    Exit("never-iterated", never_iterate, FORGOTTEN),
    Exit("closed-unread", close_before_the_first, ("closed",)),
)


def run(exit_: Exit, open_stream: Open) -> Seen:
    """Leave a stream that way; whatever is forgotten is collected before this returns."""
    seen = Seen()
    try:
        exit_.leave(open_stream, seen)
    except BaseException as error:  # noqa: BLE001 - the type is what is compared
        seen.error = type(error).__qualname__
    gc.collect()
    return seen


# --- async ---------------------------------------------------------------------------------


async def exhaust_async(open_stream: Open, seen: Seen) -> None:
    async for chunk in await open_stream():
        seen.take(chunk)


async def drop_after_two_async(open_stream: Open, seen: Seen) -> None:
    async for chunk in await open_stream():
        seen.take(chunk)
        if len(seen.pieces) == 2:
            break


async def close_after_two_async(open_stream: Open, seen: Seen) -> None:
    stream = await open_stream()
    seen.take(await anext(stream))
    seen.take(await anext(stream))
    await stream.close()


async def leave_the_block_async(open_stream: Open, seen: Seen) -> None:
    async with await open_stream() as stream:
        seen.take(await anext(stream))


async def fail_in_the_block_async(open_stream: Open, seen: Seen) -> None:
    async with await open_stream() as stream:
        async for chunk in stream:
            seen.take(chunk)
            raise ConsumerFailed


async def fail_in_the_loop_async(open_stream: Open, seen: Seen) -> None:
    async for chunk in await open_stream():
        seen.take(chunk)
        raise ConsumerFailed


async def cancel_while_reading(open_stream: Open, seen: Seen) -> None:
    under_way = asyncio.Event()

    async def read() -> None:
        async for chunk in await open_stream():
            seen.take(chunk)
            under_way.set()

    task = asyncio.create_task(read())
    await under_way.wait()
    await asyncio.sleep(0)
    task.cancel()
    await task


async def cancel_in_the_consumer(open_stream: Open, seen: Seen) -> None:
    under_way = asyncio.Event()

    async def read() -> None:
        async with await open_stream() as stream:
            seen.take(await anext(stream))
            under_way.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await under_way.wait()
    task.cancel()
    await task


async def time_out_around(open_stream: Open, seen: Seen) -> None:
    async with asyncio.timeout(0.5):
        async for chunk in await open_stream():
            seen.take(chunk)


async def forget_in_a_cycle_async(open_stream: Open, seen: Seen) -> None:
    held: dict[str, Any] = {"stream": await open_stream()}
    held["itself"] = held
    seen.take(await anext(held["stream"]))


async def never_iterate_async(open_stream: Open, seen: Seen) -> None:
    await open_stream()


ASYNC_EXITS = (
    *_in_two_ways(exhaust_async),
    Exit("break-and-drop", drop_after_two_async, FORGOTTEN),
    Exit("close", close_after_two_async, ("closed",)),
    Exit("with-block", leave_the_block_async, ("closed",)),
    Exit("error-in-block", fail_in_the_block_async, ("closed",)),
    Exit("error-in-loop", fail_in_the_loop_async, FORGOTTEN),
    Exit("cancelled-reading", cancel_while_reading, ("cancelled",), _STALLED),
    Exit("cancelled-elsewhere", cancel_in_the_consumer, ("closed",), _STALLED),
    Exit("asyncio-timeout", time_out_around, ("cancelled",), _STALLED),
    Exit("garbage-collected", forget_in_a_cycle_async, FORGOTTEN),
    Exit("never-iterated", never_iterate_async, FORGOTTEN),
)


async def run_async(exit_: Exit, open_stream: Callable[[], Awaitable[Any]]) -> Seen:
    """`run` for coroutines; finalizers of async generators get their turn too."""
    seen = Seen()
    try:
        await exit_.leave(open_stream, seen)
    except BaseException as error:  # noqa: BLE001 - the type is what is compared
        seen.error = type(error).__qualname__
    for _turn in range(3):
        gc.collect()
        # Gemini's client puts four generators into each other, and each takes some turns.
        for _inner in range(5):
            await asyncio.sleep(0)
    return seen
