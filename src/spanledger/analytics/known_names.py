"""Which names are recorded: a mistyped agent is an error, not an empty answer."""

from difflib import get_close_matches

from spanledger.analytics._query import ask
from spanledger.analytics.scope import Scope, ScopeKind, UnknownName, shown
from spanledger.warehouse import Warehouse

_ROLLED_UP: tuple[ScopeKind, ...] = ("service", "agent", "operation", "provider", "model")
_SUGGESTED = 5
_COMPARED = 1000


def require_known(warehouse: Warehouse, scope: Scope) -> None:
    """Does nothing if a call of this scope is recorded.

    Raises:
        UnknownName: there is none; the text names those that are like it.
        WarehouseError: the one that says what is wrong and what to do.
    """
    if scope.by == "all" or _recorded(warehouse, scope, 1):
        return
    names = known_names(warehouse, scope.by, limit=_COMPARED)
    like = get_close_matches(scope.name, names, _SUGGESTED, 0.5) or names[:_SUGGESTED]
    text = f"nothing is recorded of {scope.by} {shown(scope.name)}"
    raise UnknownName(f"{text}; there is {', '.join(map(shown, like))}" if like else text)


def known_names(warehouse: Warehouse, kind: ScopeKind, *, limit: int = 100) -> list[str]:
    """Names of a kind, those first that were called most; of sessions the latest.

    Raises:
        WarehouseError: the one that says what is wrong and what to do.
    """
    return _recorded(warehouse, Scope(kind, "" if kind == "all" else "-"), limit, every=True)


def _recorded(warehouse: Warehouse, scope: Scope, limit: int, *, every: bool = False) -> list[str]:
    if scope.by == "all":
        return []
    rolled = scope.by in _ROLLED_UP
    asked = {"name": scope.name, "every": every, "limit": limit}
    sql = "known_rolled_up" if rolled else f"known_{scope.by}s"
    rows = ask(warehouse, sql, **asked, **({"by": scope.by} if rolled else {}))
    return [row["name"] for row in rows]
