"""What agents did and why: command → action → result → status, out of their spans.

Nothing is written down for this: the last actions of this process are in memory, all others in
ClickHouse.

>>> from spanledger import history
>>> history.last_action()  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spanledger.history.kinds import KINDS, STATUSES, Kind, Status
from spanledger.history.ring import Ring, current_ring, use_language, use_ring

if TYPE_CHECKING:
    from spanledger.history.action import Action
    from spanledger.history.chain import Explanation
    from spanledger.history.counts import ActionStatistics, NameStatistics
    from spanledger.history.documents import FORMS, Form, NoBrowser, export
    from spanledger.history.histories import (
        History,
        explain,
        explain_last_action,
        find_related,
        last_action,
        statistics,
        summarize,
        use_warehouse,
    )
    from spanledger.history.patterns import Cluster, NextAction, Unusual
    from spanledger.history.related import Related
    from spanledger.history.summary import Summary
    from spanledger.history.texts import LANGUAGES, use_texts
    from spanledger.history.unknown import UnknownAction
    from spanledger.history.vectors import Embedder

__all__ = [
    "FORMS",
    "KINDS",
    "LANGUAGES",
    "STATUSES",
    "Action",
    "ActionStatistics",
    "Cluster",
    "Embedder",
    "Explanation",
    "Form",
    "History",
    "Kind",
    "NameStatistics",
    "NextAction",
    "NoBrowser",
    "Related",
    "Ring",
    "Status",
    "Summary",
    "UnknownAction",
    "Unusual",
    "current_ring",
    "explain",
    "explain_last_action",
    "export",
    "find_related",
    "last_action",
    "statistics",
    "summarize",
    "use_language",
    "use_ring",
    "use_texts",
    "use_warehouse",
]

#: Loaded with the first question: an agent that asks nothing needs none of it at its start.
_LATER = {
    "FORMS": "documents",
    "LANGUAGES": "texts",
    "Action": "action",
    "ActionStatistics": "counts",
    "Cluster": "patterns",
    "Embedder": "vectors",
    "Explanation": "chain",
    "Form": "documents",
    "History": "histories",
    "NameStatistics": "counts",
    "NextAction": "patterns",
    "NoBrowser": "documents",
    "Related": "related",
    "Summary": "summary",
    "UnknownAction": "unknown",
    "Unusual": "patterns",
    "explain": "histories",
    "explain_last_action": "histories",
    "export": "documents",
    "find_related": "histories",
    "last_action": "histories",
    "statistics": "histories",
    "summarize": "histories",
    "use_texts": "texts",
    "use_warehouse": "histories",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
