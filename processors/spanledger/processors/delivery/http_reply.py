"""Replies that come byte by byte, and the connections that give up on them.

The time-out of a socket begins anew with every byte. A server that sends one now and then could
so keep a request waiting for ever; here the whole reply has to come in the time that one read may
take. Imported with the transport, for it needs `requests`.
"""

import http.client
import io
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class _Deadlined(io.RawIOBase):
    """Reads from a socket until a moment of the monotonic clock."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        # Made by the socket itself, so that it knows when the last reader has gone.
        self._raw = sock.makefile("rb", buffering=0)
        timeout_s = sock.gettimeout()
        self._until = None if timeout_s is None else time.monotonic() + timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._until is not None:
            left_s = self._until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("the reply did not come to its end in time")
            self._sock.settimeout(left_s)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket:
    """What `http.client` asks of a socket for a reply."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Deadlined(self._sock))


class _Reply(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(_Socket(sock), *args, **kwargs)  # type: ignore[arg-type]  # all it uses


class _Http(HTTPConnection):
    response_class = _Reply


class _Https(HTTPSConnection):
    response_class = _Reply


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class DeadlineAdapter(HTTPAdapter):
    """An adapter of `requests` whose replies must end in time, proxied ones as well."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager: Any = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
        return manager
