"""Python's type hints, taken apart: one look at a hint, for its schema and for reading values."""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

Kind = Literal[
    "any", "scalar", "literal", "enum", "union", "list", "tuple", "dict", "object", "foreign"
]

SCALARS: dict[type, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_LISTS = (list, Sequence, set, frozenset, AbstractSet)
_MADE_OF: dict[Any, type] = {
    set: set,
    frozenset: frozenset,
    tuple: tuple,
    AbstractSet: frozenset,
}
NO_DEFAULT = dataclasses.MISSING


class Field(NamedTuple):
    """One named part of an object: a field of a dataclass, a key of a TypedDict."""

    name: str
    hint: Any
    required: bool
    default: Any = NO_DEFAULT


class Shape(NamedTuple):
    """What a hint asks for."""

    kind: Kind
    hint: Any
    parts: tuple[Any, ...] = ()
    """Hints of what is inside, or the values of a ``Literal``."""
    fields: tuple[Field, ...] = ()
    description: str = ""
    make: Callable[..., Any] | None = None
    """Of objects and lists: what they are read into."""


def shape_of(hint: Any) -> Shape:
    """The shape of a type hint. Raises `TypeError` for one that JSON has no counterpart for."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        words = next((one for one in hint.__metadata__ if isinstance(one, str)), "")
        return shape_of(parts[0])._replace(description=words)
    if origin in {typing.Required, typing.NotRequired}:
        return shape_of(parts[0])
    if origin in {Union, types.UnionType}:
        return Shape("union", hint, parts)
    if origin is Literal:
        return Shape("literal", hint, parts)
    if hint is Any or hint is object:
        return Shape("any", hint)
    return _of_class(hint, origin or hint, parts)


def _of_class(hint: Any, kind: Any, parts: tuple[Any, ...]) -> Shape:
    if kind in SCALARS or kind is None:
        return Shape("scalar", type(None) if kind is None else kind)
    if kind is tuple and parts and parts[-1] is not Ellipsis:
        return Shape("tuple", hint, parts, make=tuple)
    if kind is tuple or kind in _LISTS:
        return Shape("list", hint, parts[:1] or (Any,), make=_MADE_OF.get(kind, list))
    if isinstance(kind, type) and issubclass(kind, Mapping) and not typing.is_typeddict(kind):
        if parts and parts[0] not in {str, Any}:
            raise TypeError(f"{hint} has keys that are no texts; JSON's are")
        return Shape("dict", hint, parts[1:] or (Any,), make=dict)
    return _of_own_class(hint, kind)


def _of_own_class(hint: Any, kind: Any) -> Shape:
    if not isinstance(kind, type):
        raise TypeError(f"{hint!r} has no counterpart in a JSON schema; give `schema=`")
    if issubclass(kind, Enum):
        return Shape("enum", kind, tuple(member.value for member in kind))
    if dataclasses.is_dataclass(kind):
        return Shape("object", kind, fields=_of_dataclass(kind), make=kind)
    if typing.is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)
        required: frozenset[str] = getattr(kind, "__required_keys__")  # noqa: B009 - mypy knows only that it is a class
        fields = tuple(Field(name, one, name in required) for name, one in hints.items())
        return Shape("object", kind, fields=fields, make=dict)
    if hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate"):
        return Shape("foreign", kind)  # pydantic's models, which say it all themselves
    raise TypeError(f"{kind.__qualname__} has no counterpart in a JSON schema; give `schema=`")


def _of_dataclass(kind: Any) -> tuple[Field, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        Field(
            one.name,
            hints[one.name],
            one.default is NO_DEFAULT and one.default_factory is NO_DEFAULT,
            one.default,
        )
        for one in dataclasses.fields(kind)
        if one.init
    )
