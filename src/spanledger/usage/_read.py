"""Reading counts off objects that nobody vouches for.

A reply is a pydantic object of some client, or a dict, from a provider or from any server
that claims to speak its dialect. Nothing here raises, and nothing unreadable becomes 0.
"""

from collections.abc import Iterator, Mapping
from typing import Final

# More tokens than this no call has; it also keeps every amount within 64-bit integers.
MAX_COUNT: Final = 10**10

_NOTHING: Final[Mapping[str, object]] = {}

UNREADABLE: Final = -1
"""A value that is there but is no count."""


class _Attributes(Mapping[str, object]):
    """Any object's attributes as a mapping; an attribute that fails to be read is not there."""

    __slots__ = ("_source",)

    def __init__(self, source: object) -> None:
        self._source = source

    def __getitem__(self, name: str) -> object:
        try:
            return getattr(self._source, name)
        except Exception as error:  # a foreign property may raise anything
            raise KeyError(name) from error

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def view(source: object) -> Mapping[str, object]:
    """The fields of a dict, a client's object, or nothing.

    Asking a pydantic object for a field it lacks costs a microsecond each time, so its fields
    and its unknown ones are taken at once.
    """
    if source is None:
        return _NOTHING
    if type(source) is dict:
        return source
    try:
        # Before `Mapping`: to ask whether an object is one of those costs as much as the rest.
        if hasattr(type(source), "__pydantic_fields__"):
            extra = getattr(source, "__pydantic_extra__", None)
            return {**vars(source), **extra} if extra else vars(source)
    except Exception:  # noqa: BLE001 - a foreign object; ask it field by field
        return _Attributes(source)
    return source if isinstance(source, Mapping) else _Attributes(source)


def count(source: Mapping[str, object], name: str) -> int | None:
    """A count; ``None`` if it is not there, ``UNREADABLE`` if it is no count.

    A whole float is a count (some servers write 12.0); a bool, text, a negative number, NaN
    or infinity is not.
    """
    value = source.get(name)
    if value is None:
        return None
    if type(value) is int:
        return value if 0 <= value <= MAX_COUNT else UNREADABLE
    if type(value) is float and 0 <= value <= MAX_COUNT and value.is_integer():
        return int(value)
    return UNREADABLE


def text(source: Mapping[str, object], name: str) -> str | None:
    """A non-empty text, in lower case, or ``None``."""
    value = source.get(name)
    return value.lower() if isinstance(value, str) and value else None


def plain(*values: object) -> list[int] | None:
    """The values, 0 for one that is not there; ``None`` if one is no plain count."""
    counts = []
    for value in values:
        if value is None:
            counts.append(0)
        elif type(value) is int and 0 <= value <= MAX_COUNT:
            counts.append(value)
        else:
            return None
    return counts


class Parts:
    """The optional counts of one usage; remembers whether one of them was unreadable."""

    __slots__ = ("damaged",)

    def __init__(self) -> None:
        self.damaged = False

    def read(self, source: Mapping[str, object], name: str) -> int:
        """A part, 0 if it is not there or unreadable (then the tokens stay in their whole)."""
        value = count(source, name)
        if value is None:
            return 0
        if value == UNREADABLE:
            self.damaged = True
            return 0
        return value

    def first(self, *places: tuple[Mapping[str, object], str]) -> int:
        """The first part above 0 among several places where dialects put it."""
        for source, name in places:
            if found := self.read(source, name):
                return found
        return 0
