"""Calls whose answer says that the provider works on in the background.

Such a call stays open, with its reservation and its span, until a later answer of the same
client library says that it is over, whoever asked for that. If nobody does, all that was
reserved for it is charged: when its lease ends, and at last when the process does.
"""

import threading
from collections import OrderedDict
from typing import Any, Protocol

from spanledger.instrumentation._facts import get

#: Calls that are kept; beyond that the oldest is settled as if nobody asked for it.
_MOST = 1_000


class Waiting(Protocol):
    """A call that is not over."""

    def replied(self, reply: Any) -> None:
        """A whole answer came."""

    def abandoned(self) -> None:
        """Nobody will hear of it any more."""


#: By the id of the response. Looked at by every answer that is no call of its own; nearly
#: always empty.
waiting: OrderedDict[str, Waiting] = OrderedDict()
_lock = threading.Lock()


def wait_for(call: Waiting, response_id: str) -> None:
    """Keep a call open until `fetched` sees the end of its response."""
    oldest = None
    with _lock:
        waiting[response_id] = call
        if len(waiting) > _MOST:
            _, oldest = waiting.popitem(last=False)
    if oldest is not None:
        oldest.abandoned()


def fetched(reply: Any) -> None:
    """A response was fetched or cancelled. Its call is over if it is; else it waits on."""
    response_id = get(reply, "id")
    if not isinstance(response_id, str):
        return
    with _lock:
        call = waiting.pop(response_id, None)
    if call is not None:
        call.replied(reply)
