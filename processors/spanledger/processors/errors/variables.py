"""The local variables of a frame, as bounded plain values without secrets."""

import sys
import types
from collections.abc import Callable, Iterator
from itertools import islice
from types import FrameType
from typing import Any

from spanledger.track.plain import Limits, Redact, plain

MOST_VARIABLES = 20
_LIMITS = Limits(depth=3, items=10, text_chars=200, values=40, chars=3000)
_CO_OPTIMIZED = 0x1
#: Who holds the table while it is read: the frame, a variable, the call that counts.
_HOLDERS = 3

#: Names of what people and models said; told in kind and size only, unless content is recorded.
_CONTENT_WORDS = frozenset(
    {
        "answer", "answers", "completion", "completions", "content", "contents", "conversation",
        "history", "instructions", "message", "messages", "prompt", "prompts", "query_text",
        "reply", "response", "responses", "system_prompt", "transcript", "user_input",
    }
)  # fmt: skip

#: Code, not data.
_NOISE = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.GenericAlias,
)


def is_content(name: str) -> bool:
    """Whether a variable's name says that it holds what somebody said."""
    lowered = name.lower()
    return lowered in _CONTENT_WORDS or lowered.rpartition("_")[2] in _CONTENT_WORDS


def variables_of(
    frame: FrameType,
    redact: Redact,
    shapes: Callable[[str], bool] | None,
    has_time: Callable[[], bool],
) -> dict[str, Any]:
    """The variables of `frame`; `shapes` says which are told in kind and size only.

    Once `has_time` says no, the rest are told like that, too.
    """
    chosen = islice(_data(_read(frame)), MOST_VARIABLES)
    return {
        name: plain(v, redact, _LIMITS, name=name, shapes=shapes if has_time() else _every)
        for name, v in chosen
    }


def _every(_name: str) -> bool:
    return True


def _data(held: dict[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in held.items():
        if (
            name.isidentifier()
            and not name.startswith("__")
            and not issubclass(type(value), _NOISE)
        ):
            yield name, value


def _read(frame: FrameType) -> dict[str, object]:
    """A copy of a frame's variables that leaves nothing behind.

    Before Python 3.13 the frame keeps the table that it is asked for, and with it every value,
    for as long as it runs: also those that the program has let go. So the table is emptied, if
    nobody else has it. A module's or a class's table is the real one and left alone.
    """
    table = frame.f_locals
    copy = dict(table)
    if (
        type(table) is dict
        and frame.f_code.co_flags & _CO_OPTIMIZED
        and sys.getrefcount(table) <= _HOLDERS
    ):
        table.clear()
    return copy
