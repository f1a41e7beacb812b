"""Arguments as a model gives them, read into what the hints of a tool ask for. Pure."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from spanledger.track.tools._types import Field, Kind, Shape, shape_of


class Unfit(ValueError):
    """A value is not what a hint asks for; `path` says where it lies."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}")


def read(hint: Any, value: Any, path: str) -> Any:
    """`value`, of JSON's kinds, as `hint` asks for it. Raises `Unfit`.

    No text is taken for a number: a model that confuses them is told.
    """
    shape = shape_of(hint)
    return _READERS[shape.kind](shape, value, path)


def _anything(_shape: Shape, value: Any, _path: str) -> Any:
    return value


def _scalar(shape: Shape, value: Any, path: str) -> Any:
    kind = shape.hint
    if kind is float and type(value) is int:
        return float(value)
    if kind is int and type(value) is float and math.isfinite(value) and value.is_integer():
        return int(value)  # JSON has one kind of number: 3.0 is 3
    if type(value) is not kind:
        raise Unfit(path, f"must be {_NAMES[kind]}, not {_shown(value)}")
    return value


def _one_of(shape: Shape, value: Any, path: str) -> Any:
    problems = []
    for part in shape.parts:
        try:
            return read(part, value, path)
        except Unfit as error:
            problems.append(str(error))
    raise Unfit(path, " or ".join(dict.fromkeys(problems)))


def _value_of(shape: Shape, value: Any, path: str) -> Any:
    if shape.kind == "enum" and isinstance(value, shape.hint):
        return value
    # Not by `in`: 1 is equal to True.
    for one in shape.parts:
        if type(one) is type(value) and one == value:
            return shape.hint(value) if shape.kind == "enum" else value
    allowed = ", ".join(map(repr, shape.parts))
    raise Unfit(path, f"must be one of {allowed}, not {_shown(value)}")


def _items(shape: Shape, value: Any, path: str) -> Any:
    make: Any = shape.make
    if not isinstance(value, (list, make)):
        raise Unfit(path, f"must be a list, not {_shown(value)}")
    if shape.kind == "tuple" and len(value) != len(shape.parts):
        raise Unfit(path, f"must have {len(shape.parts)} items, not {len(value)}")
    hints = shape.parts if shape.kind == "tuple" else shape.parts * len(value)
    pairs = enumerate(zip(hints, value, strict=True))
    made = [read(part, one, f"{path}[{number}]") for number, (part, one) in pairs]
    try:
        return make(made)
    except TypeError as error:
        raise Unfit(path, f"can't be held in a {shape.hint}: {error}") from None


def _object(shape: Shape, value: Any, path: str) -> Any:
    make: Any = shape.make
    if make is not dict and isinstance(value, make):
        return value  # what another tool of a chain gave
    _needs_mapping(value, path)
    fields = read_fields(shape.fields, value, path)
    try:
        return make(**fields)
    except (TypeError, ValueError) as error:  # what the class itself thinks of its fields
        raise Unfit(path, str(error)) from None


def _dict(shape: Shape, value: Any, path: str) -> Any:
    _needs_mapping(value, path)
    return {name: read(shape.parts[0], one, f"{path}.{name}") for name, one in value.items()}


def _needs_mapping(value: Any, path: str) -> None:
    if not isinstance(value, Mapping):
        raise Unfit(path, f"must be an object, not {_shown(value)}")


def read_fields(
    fields: tuple[Field, ...], value: Mapping[str, Any], path: str = ""
) -> dict[str, Any]:
    """Named values, each as its field asks for it. Raises `Unfit`."""
    begin = f"{path}." if path else ""
    known = {field.name: field for field in fields}
    for name in value:
        if name not in known:
            raise Unfit(f"{begin}{name}", f"is not known; there are {', '.join(known) or 'none'}")
    for field in fields:
        if field.required and field.name not in value:
            raise Unfit(f"{begin}{field.name}", "is missing")
    return {n: read(known[n].hint, one, f"{begin}{n}") for n, one in value.items()}


def _foreign(shape: Shape, value: Any, path: str) -> Any:
    try:
        return shape.hint.model_validate(value)
    except ValueError as error:  # pydantic's ValidationError is one
        raise Unfit(path, str(error)) from None


_NAMES: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def _shown(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 80 else f"{repr(value)[:77]}..."


_READERS: dict[Kind, Callable[[Shape, Any, str], Any]] = {
    "any": _anything,
    "scalar": _scalar,
    "union": _one_of,
    "literal": _value_of,
    "enum": _value_of,
    "list": _items,
    "tuple": _items,
    "dict": _dict,
    "object": _object,
    "foreign": _foreign,
}
