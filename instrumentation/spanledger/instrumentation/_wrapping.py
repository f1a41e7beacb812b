"""Putting wrappers into classes of a client library, and taking them out again."""

from collections.abc import Callable
from inspect import getattr_static
from types import ModuleType
from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    _Wrapper = wrapt.FunctionWrapper[..., Any]
else:
    # wrapt 1.17 can't be subscripted at run time.
    _Wrapper = wrapt.FunctionWrapper


class _Gate(_Wrapper):
    """A wrapper of ours, which can be told from those of other instrumentations."""


def wrap(owner: type | ModuleType, name: str, wrapper: Callable[..., Any]) -> list[str]:
    """Wrap one method or function, unless one of our wrappers is in it; what was wrapped."""
    method = getattr_static(owner, name)
    if _is_gated(method):
        return []
    setattr(owner, name, _Gate(method, wrapper))
    return [f"{owner.__name__}.{name}"]


def wrap_overriding(base: type, name: str, wrapper: Callable[..., Any]) -> list[str]:
    """Wrap the method of each subclass that has its own.

    Another instrumentation that came first may have put the method of `base`, as it was then,
    under a wrapper of its own into a subclass: calls of that never come by `base`.
    """
    own = [cls for cls in _subclasses(base) if name in vars(cls)]
    return [wrapped for cls in own for wrapped in wrap(cls, name, wrapper)]


def unwrap(base: type | ModuleType) -> None:
    """Put the own methods of a class and its subclasses back, as far as nobody wrapped ours.

    Or the functions of a module.
    """
    for cls in (base, *(_subclasses(base) if isinstance(base, type) else ())):
        for name, value in list(vars(cls).items()):
            if type(value) is _Gate:
                setattr(cls, name, value.__wrapped__)


def _subclasses(cls: type) -> list[type]:
    found: list[type] = []
    direct: type
    for direct in cls.__subclasses__():
        found += (direct, *_subclasses(direct))
    return found


def _is_gated(method: Any) -> bool:
    """Whether one of our wrappers is anywhere in a pile of wrappers."""
    while method is not None:
        if isinstance(method, _Gate):
            return True
        method = getattr(method, "__wrapped__", None)
    return False
