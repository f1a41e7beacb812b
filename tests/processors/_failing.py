"""Functions of an "application" that fail in many ways. Lines and names are read by tests."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn


@dataclass
class Plan:
    """A state with a secret in it."""

    steps: list[str]
    password: str


class Hostile:
    """An object whose every piece of code raises, or never returns."""

    def __repr__(self) -> str:
        raise RuntimeError("repr was called")

    __str__ = __repr__

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"{name} was read")

    def __len__(self) -> int:
        raise RuntimeError("len was called")

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("iter was called")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq was called")

    __hash__ = None  # type: ignore[assignment]  # as of any class with an `__eq__` of its own


class HostileList(list[int]):
    """A list whose methods raise."""

    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("iter was called")

    def __len__(self) -> int:
        raise RuntimeError("len was called")


class UnreadableError(Exception):
    """An exception whose text can't be had."""

    def __str__(self) -> str:
        raise RuntimeError("str was called")


class FrozenError(Exception):
    """An exception that lets nobody set an attribute."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def plain(word: str = "bern", max_tokens: int = 400) -> NoReturn:
    limit = 3
    raise LookupError(f"nothing for {word}, {limit} tries, {max_tokens} tokens")


def with_secrets(api_key: str, token: str) -> NoReturn:
    plan = Plan(["search"], "-".join(["hunter2"] * 2))
    headers = {"Authorization": f"Bearer {token}", "accept": "json"}
    raise PermissionError(f"refused: {len(plan.steps)} {len(headers)} {len(api_key)}")


def caused() -> NoReturn:
    try:
        plain()
    except LookupError as error:
        raise TimeoutError("the index is rebuilt") from error


def in_context() -> NoReturn:
    try:
        plain()
    except LookupError:
        raise TimeoutError("the index is rebuilt")  # noqa: B904 - the context is the point


def suppressed() -> NoReturn:
    try:
        plain()
    except LookupError:
        raise TimeoutError("the index is rebuilt") from None


def grouped() -> NoReturn:
    errors: list[Exception] = []
    for function in (plain, caused):
        try:
            function()
        except Exception as error:  # noqa: BLE001 - all of them are the point
            errors.append(error)
    raise ExceptionGroup("two failed", errors)


def noted() -> NoReturn:
    error = ValueError("odd")
    error.add_note("seen while reading page 7")
    raise error


def unparsable() -> NoReturn:
    compile("def broken(:\n    pass\n", "made_up.py", "exec")
    raise AssertionError("it was parsed")


_NO_FILE = "def deep():\n    x = 1\n    raise OSError('gone')\ndeep()"


def from_nowhere() -> None:
    exec(compile(_NO_FILE, "gone.py", "exec"), {})  # noqa: S102 - code without a file


def recursive(depth: int = 0) -> int:
    return recursive(depth + 1) + 1


def hostile_locals() -> NoReturn:
    one, many = Hostile(), HostileList([1, 2])
    nested = {"deep": [one, {"deeper": many}], ("a", 1): one}
    raise ValueError(f"hostile {type(one).__name__} {len(nested)}")


def giant_locals() -> NoReturn:
    text = "x" * 50_000_000
    blob = bytes(10_000_000)
    table = {f"column {i}": list(range(1000)) for i in range(5000)}
    cycle: list[Any] = []
    cycle.append(cycle)
    many = {f"variable_{i}": "ü" * 1000 for i in range(500)}
    number = 10**5000
    raise MemoryError(text[:10_000] + str(len(blob) + len(table) + len(many)) + str(number > 0))


def unreadable() -> NoReturn:
    raise UnreadableError


def frozen() -> NoReturn:
    raise FrozenError("frozen")


def library() -> Any:
    import json

    return json.loads("{broken")


async def asynchronous() -> NoReturn:
    import asyncio

    await asyncio.sleep(0)
    plain("async")


async def items() -> AsyncIterator[int]:
    yield 1
    plain("generator")


def in_thread(function: Callable[[], object]) -> BaseException | None:
    """What `function` raises in a thread of its own."""
    caught: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return caught[0] if caught else None
