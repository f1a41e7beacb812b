"""Permission levels of tools, and the highest that is permitted here. Carried like scopes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

from opentelemetry.context import attach, create_key, detach, get_value, set_value

from spanledger.track._tool_errors import PermissionDenied

Permission = Literal["read", "write", "execute", "admin"]
#: From the least to the most.
LEVELS: tuple[Permission, ...] = get_args(Permission)

_KEY = create_key("spanledger-tool-permission")


def permitted() -> Permission:
    """The highest level that tools may have here; ``admin`` where nothing was said."""
    found = get_value(_KEY)
    return found if found in LEVELS else "admin"


@contextmanager
def permit(level: Permission) -> Iterator[None]:
    """Let only tools of this level or below run inside. Inside another one it can only narrow.

    It holds for whatever is called in the block, also in threads that carry the context; other
    processes are not told. Raises `ValueError` for a level that is none.

    >>> with permit("read"):
    ...     pass
    """
    narrowest = LEVELS[min(_rank(level), _rank(permitted()))]
    token = attach(set_value(_KEY, narrowest))
    try:
        yield
    finally:
        detach(token)


def demand(tool: str, needed: Permission | None) -> None:
    """Raise `PermissionDenied` if `tool` must not run here. One without a level may always."""
    if needed is not None and _rank(needed) > _rank(held := permitted()):
        raise PermissionDenied(tool, needed, held)


def _rank(level: str) -> int:
    if level not in LEVELS:
        raise ValueError(f"{level!r} is no permission; there are {', '.join(LEVELS)}")
    return LEVELS.index(level)
