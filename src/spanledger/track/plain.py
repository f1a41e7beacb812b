"""A bounded copy of any value as plain JSON, without running a line of the value's own code. Pure.

No `repr`, no `str`, no attribute of an object is asked for: those may be slow, may raise, may
have effects. Built-in kinds are read by their own methods, also below a subclass; of dataclasses
and their like the stored fields are read; everything else is its type: ``<OpenAI>``.

What a name calls a secret is hidden, every text goes through `redact` before it is cut (half a
secret would not be recognised any more), and depth, width, texts and the number of values are
bounded, which bounds the time as well.
"""

import datetime
import enum
import math
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from spanledger.track.secret_names import REDACTED, Secrecy, secrecy_of

Redact = Callable[[str], str]
_Shapes = Callable[[str], bool] | None

MORE = "…"
#: So many characters beyond the limit are looked at for secrets, and so many are held back at
#: the end of what was looked at: a secret may begin there.
_LOOK_AHEAD = 300
_LARGEST_INT_BITS = 64


class Limits(NamedTuple):
    """How much of a value is copied."""

    depth: int = 6
    items: int = 50
    """Of each list, set or mapping."""
    text_chars: int = 500
    """Of each text."""
    values: int = 1000
    """Altogether."""
    chars: int = 16_000
    """That are looked at, of all texts together."""


STATE = Limits()
"""For states that somebody asked to be recorded."""


def plain(
    value: object,
    redact: Redact,
    limits: Limits = STATE,
    *,
    name: str = "",
    shapes: _Shapes = None,
) -> Any:
    """The copy. `name`: under which the value stands. `shapes`: says of which names only kind
    and size are told."""
    return _Copy(redact, limits, shapes).named(name, value, limits.depth)


class _Copy:
    def __init__(
        self, redact: Redact, limits: Limits, shapes: Callable[[str], bool] | None
    ) -> None:
        self._redact = redact
        self._limits = limits
        self._shapes = shapes
        self._values = limits.values
        self._chars = limits.chars

    def named(self, name: str, value: object, depth: int, above: Secrecy = "open") -> Any:
        secrecy = secrecy_of(name) if name else "open"
        if secrecy == "all" and value is not None and value is not True and value is not False:
            return REDACTED
        if name and self._shapes is not None and self._shapes(name):
            return shape_of(value)
        return self._value(value, depth, "texts" if "texts" in (secrecy, above) else "open")

    def _value(self, value: object, depth: int, secrecy: Secrecy) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            return value
        self._values -= 1
        if self._values < 0 or self._chars < 0:
            return MORE
        for base in kind.__mro__:
            if (read := _READERS.get(base)) is not None:
                return read(self, value, depth, secrecy)
        return self._object(value, depth, secrecy)

    # --- kinds of values --------------------------------------------------------------------

    def text(self, value: Any, _depth: int, secrecy: Secrecy) -> str:
        if secrecy == "texts":
            return REDACTED
        limit = self._limits.text_chars
        self._chars -= min(str.__len__(value), limit + _LOOK_AHEAD)
        return cut_text(value, self._redact, limit)

    def number(self, value: Any, _depth: int, _secrecy: Secrecy) -> Any:
        if int.bit_length(value) > _LARGEST_INT_BITS:
            return f"<int, {int.bit_length(value)} bits>"
        return int.__add__(value, 0)

    def real(self, value: Any, _depth: int, _secrecy: Secrecy) -> Any:
        number = float.__add__(value, 0.0)
        return number if math.isfinite(number) else float.__repr__(number)

    def octets(self, value: Any, _depth: int, _secrecy: Secrecy) -> str:
        return shape_of(value)

    def known(self, value: Any, depth: int, secrecy: Secrecy) -> Any:
        """Kinds of the standard library whose text is short and their own."""
        if type(value).__module__ not in _STANDARD:
            return _type_name(value)
        return self.text(str(value), depth, secrecy)

    def member(self, value: Any, _depth: int, _secrecy: Secrecy) -> str:
        name = object.__getattribute__(value, "_name_")
        return f"{type(value).__qualname__}.{name}" if type(name) is str else _type_name(value)

    def sequence(self, value: Any, depth: int, secrecy: Secrecy) -> Any:
        items, total = _raw(value)
        if depth <= 0:
            return shape_of(value)
        copies = self._several((self._value(v, depth - 1, secrecy) for v in items), value)
        return self._with_rest(copies, total) if isinstance(copies, list) else copies

    def unordered(self, value: Any, depth: int, secrecy: Secrecy) -> Any:
        copies = self.sequence(value, depth, secrecy)
        return sorted(copies, key=repr) if isinstance(copies, list) else copies

    def mapping(self, value: Any, depth: int, secrecy: Secrecy) -> Any:
        if depth <= 0:
            return shape_of(value)
        pairs = ((self._key(k), v) for k, v in dict.items(value))
        copies = self._several(self._named_items(pairs, depth, secrecy), value)
        if not isinstance(copies, list):
            return copies
        rest = dict.__len__(value) - len(copies)
        return dict(copies) | ({MORE: f"{rest} more"} if rest > 0 else {})

    def _object(self, value: object, depth: int, secrecy: Secrecy) -> Any:
        kind = type(value)
        if f"{kind.__module__}.{kind.__qualname__}" in _SHORT:
            return self.text(str(value), depth, secrecy)
        fields = _fields(value) if depth > 0 else None
        if fields is None:
            return _type_name(value)
        pairs = ((k, v) for k, v in fields.items() if type(k) is str and not k.startswith("_"))
        copies = self._several(self._named_items(pairs, depth, secrecy), value)
        return {"$type": type(value).__qualname__} | dict(copies if type(copies) is list else ())

    # --- parts ------------------------------------------------------------------------------

    def _named_items(
        self, pairs: Iterable[tuple[str, object]], depth: int, above: Secrecy
    ) -> Iterator[tuple[str, Any]]:
        return ((key, self.named(key, value, depth - 1, above)) for key, value in pairs)

    def _several(self, copies: Iterator[Any], owner: object) -> Any:
        try:
            return list(islice(copies, self._limits.items))
        except RuntimeError:  # another thread changed it under our eyes
            return f"{_type_name(owner)[:-1]}, changing>"

    def _with_rest(self, copies: list[Any], total: int) -> list[Any]:
        rest = total - len(copies)
        return [*copies, f"{MORE} {rest} more"] if rest > 0 else copies

    def _key(self, key: object) -> str:
        if issubclass(type(key), str):
            return cut_text(key, self._redact, 100)
        copy = self._value(key, 1, "open")
        return copy if isinstance(copy, str) else str(copy)[:100]


def cut_text(value: Any, redact: Redact, limit: int) -> str:
    """A text without secrets, and not longer than `limit` characters and a note on its length."""
    length: int = str.__len__(value)
    head = redact(str.__getitem__(value, slice(0, limit + _LOOK_AHEAD)))
    if length <= limit:
        return head
    if length > limit + _LOOK_AHEAD:
        head = head[:-_LOOK_AHEAD]
    return f"{head[:limit]}{MORE} ({length} characters)"


def shape_of(value: object) -> str:
    """Kind and size of a value, and nothing that is in it."""
    kind = type(value)
    base = _sized_base(kind)
    if base is None:
        return _type_name(value)
    unit = "characters" if base is str else "bytes" if base in _BYTES else "items"
    return f"<{kind.__qualname__}, {base.__len__(value)} {unit}>"


def _sized_base(kind: type) -> Any:
    """The built-in kind below a subclass, whose own methods tell length and items."""
    return next((base for base in kind.__mro__ if base in _SIZED), None)


def _type_name(value: object) -> str:
    return f"<{type(value).__qualname__}>"


def _raw(value: Any) -> tuple[Iterator[Any], int]:
    """Items and length by the built-in's own methods, whatever a subclass made of them."""
    base = _sized_base(type(value))
    return base.__iter__(value), base.__len__(value)


def _fields(value: object) -> dict[str, Any] | None:
    """What a dataclass, an attrs class or a pydantic model has stored; None of other objects."""
    declared = {name for base in type(value).__mro__ for name in base.__dict__}
    if not declared & _FIELD_MARKS:
        return None
    for base in type(value).__mro__:
        slot = base.__dict__.get("__dict__")
        if slot is not None:
            # Asked of the type: a property of that name would be the object's own code.
            stored = slot.__get__(value) if type(slot) is types.GetSetDescriptorType else None
            return stored if type(stored) is dict else None
    return None


_FIELD_MARKS = frozenset({"__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__"})
_BYTES = (bytes, bytearray)
_SIZED = frozenset({str, bytes, bytearray, list, tuple, dict, set, frozenset, deque})
_STANDARD = frozenset({"builtins", "datetime"})
#: By name: importing them is not for a table.
_SHORT = frozenset(
    f"{module}.{name}"
    for module, names in {
        "decimal": ("Decimal",),
        "pathlib": ("PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath"),
        "pathlib._local": ("PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath"),
        "uuid": ("UUID",),
    }.items()
    for name in names
)
_READERS: dict[type, Callable[[_Copy, Any, int, Secrecy], Any]] = {
    str: _Copy.text,
    int: _Copy.number,
    float: _Copy.real,
    complex: _Copy.known,
    bytes: _Copy.octets,
    bytearray: _Copy.octets,
    memoryview: _Copy.octets,
    list: _Copy.sequence,
    tuple: _Copy.sequence,
    deque: _Copy.sequence,
    set: _Copy.unordered,
    frozenset: _Copy.unordered,
    dict: _Copy.mapping,
    enum.Enum: _Copy.member,
    datetime.date: _Copy.known,
    datetime.time: _Copy.known,
    datetime.timedelta: _Copy.known,
    range: _Copy.known,
}
