"""Dataclasses that cost an agent's start next to nothing.

The standard decorator writes up to six functions for each class and compiles them: half a
millisecond, 35 ms for the values that an agent's process knows. Here all classes share the
functions of this module: 0.05 ms a class, and 0.3 µs more for each field of an object that is made.
So it is for classes of which few objects are made: settings, rules, reports. What every call makes
is a named tuple, or a standard dataclass.

To a type checker, and to `dataclasses.fields`, `replace` and `asdict`, it is the standard one.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "make"]

#: Makes a named tuple of a tuple of all its values. Its own way is a function in Python, which
#: takes three times as long (0.4 µs); a call makes fifteen.
make = tuple.__new__

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True) -> Any:
        """The decorator, with those options of the standard one that are in use here."""

        def made(cls: type) -> type:
            # For a class without one, the standard decorator writes a signature (2 ms).
            cls.__doc__ = cls.__doc__ or cls.__name__
            built = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
            for name, function in _functions(frozen, eq).items():
                if name not in cls.__dict__:
                    setattr(built, name, function)
            return built

        return made


def _functions(frozen: bool, eq: bool) -> dict[str, Any]:
    """What a class gets of the functions below."""
    functions: dict[str, Any] = {"__init__": _init, "__repr__": _repr}
    if eq:
        # As everywhere in Python: what can change and is compared by value has no hash.
        functions |= {"__eq__": _eq, "__hash__": _hash if frozen else None}
    if frozen:
        functions |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
        # Else `copy` and `pickle` would set attributes one by one.
        functions |= {"__getstate__": _values, "__setstate__": _set_all}
    return functions


def _init(self: Any, /, *args: Any, **given: Any) -> None:
    fields = self.__dataclass_fields__
    if args:
        given = _by_name(self, args, given)
    for name, field in fields.items():
        if name in given and field.init:
            object.__setattr__(self, name, given.pop(name))
        elif field.default is not dataclasses.MISSING:
            object.__setattr__(self, name, field.default)
        elif field.default_factory is not dataclasses.MISSING:
            object.__setattr__(self, name, field.default_factory())
        elif field.init:
            raise TypeError(f"{type(self).__name__}() needs a value for {name!r}")
    if given:
        raise TypeError(f"{type(self).__name__}() has no field {next(iter(given))!r} to be given")
    if (finish := getattr(self, "__post_init__", None)) is not None:
        finish()


def _by_name(self: Any, args: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Arguments by the names of their fields. Raises TypeError for one too many."""
    names = [field.name for field in dataclasses.fields(self) if field.init]
    if len(args) > len(names):
        raise TypeError(f"{type(self).__name__}() takes {len(names)} values, not {len(args)}")
    by_place = dict(zip(names, args, strict=False))
    if twice := by_place.keys() & given:
        raise TypeError(f"{type(self).__name__}() got two values for {min(twice)!r}")
    return by_place | given


def _values(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__dataclass_fields__)


def _set_all(self: Any, values: tuple[Any, ...]) -> None:
    for name, value in zip(self.__dataclass_fields__, values, strict=True):
        object.__setattr__(self, name, value)


def _eq(self: Any, other: object) -> bool:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name in self.__dataclass_fields__)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(self: Any, name: str, value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
