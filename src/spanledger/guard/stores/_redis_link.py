"""The way to a Redis or Valkey server: scripts, time-outs, checks, and when it is left alone."""

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from spanledger.guard.stores._backoff import Backoff
from spanledger.guard.stores._monotonic import monotonic
from spanledger.guard.stores._redis_epoch import EpochFile
from spanledger.guard.stores.errors import StoreUnavailable

if TYPE_CHECKING:
    import redis

_log = logging.getLogger(__name__)

Script = Literal[
    "reserve",
    "extend",
    "trip",
    "settle",
    "sweep",
    "forget",
    "reset",
    "list",
    "read",
    "table",
    "told",
]


class BackendDown(StoreUnavailable):
    """The server does not answer, or answers with an error: what `on_down` is for.

    `sent`: the request may have been carried out nevertheless.
    """

    def __init__(self, store: str, problem: str, advice: str, sent: bool = False) -> None:
        super().__init__(store, problem, advice)
        self.sent = sent


class Link:
    """One server (or cluster) and one prefix. Thread-safe; connects with the first use."""

    def __init__(self, url: str, prefix: str, timeout_s: float, epochs: EpochFile) -> None:
        self.name = without_secrets(url)
        # The driver knows only one of the two names of the protocol.
        self._url = url.replace("valkey", "redis", 1) if url.startswith("valkey") else url
        self._base = f"{{{prefix}}}:"
        self._open_key = f"{self._base}open"
        self._timeout_s = timeout_s
        self._epochs = epochs
        self.backoff = Backoff()
        self.forget()

    def forget(self) -> None:
        """Drop connections and locks without a word to the server: they are the parent's."""
        self._connecting = threading.Lock()
        self._client: redis.Redis | None = None
        self._epoch = ""

    def close(self) -> None:
        """Close all connections; the next use makes new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def run(self, script: Script, *args: str | bytes | int) -> list[Any]:
        """Run a script and return its reply.

        Raises:
            BackendDown: no answer in time, an error, or left alone after failures.
            StoreUnavailable: the server lost its data, or would drop it.
        """
        reply = self._ask(lambda: self._run(script, args))
        if reply and reply[0] == b"epoch":
            self._ask(self._begin)
            reply = self._ask(lambda: self._run(script, args))
        return reply

    def open_reservations(self) -> int:
        """How many reservations are open, for all processes."""

        def count() -> list[Any]:
            return [self._ready().hlen(self._open_key)]

        return int(self._ask(count)[0])

    def journal(self, start: str, most: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """Lines of the settlement journal, from an id on (``(id``: after it)."""

        def lines() -> list[Any]:
            found: Any = self._ready().xrange(f"{self._base}settlements", start, count=most)
            return list(found)

        return self._ask(lines)

    def accept_loss(self) -> None:
        """Go on with what the server holds, although data that this host knew of is gone."""
        self._ask(lambda: self._enter(self._connect(), "accept"))

    def _ask(self, request: Callable[[], list[Any]]) -> list[Any]:
        import redis

        if not self.backoff.allows(monotonic()):
            raise self._down("it failed to answer several times, so it is left alone", sent=False)
        try:
            reply = request()
        except (redis.RedisError, OSError) as error:
            self.backoff.failed(monotonic())
            refused = "refused" in str(error)
            raise self._down(f"{type(error).__name__}: {error}", sent=not refused) from error
        self.backoff.worked()
        return reply

    def _run(self, script: Script, args: Sequence[str | bytes | int]) -> list[Any]:
        import redis

        client = self._ready()
        text, digest = _script(script)
        try:
            reply: Any = client.evalsha(digest, 1, self._open_key, self._base, self._epoch, *args)
        except redis.exceptions.NoScriptError:
            reply = client.eval(text, 1, self._open_key, self._base, self._epoch, *args)
        return list(reply)

    def _ready(self) -> "redis.Redis":
        client = self._client
        if client is not None and self._epoch:
            return client
        with self._connecting:
            client = self._connect()
            if self._client is None:
                self._check(client)
            if not self._epoch:
                self._enter(client, "begin")
            self._client = client
        return client

    def _connect(self) -> "redis.Redis":
        if self._client is not None:
            return self._client
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        # A connection that an old server closed is made again once; a time-out is final: the
        # default would try for seconds.
        retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
        return redis.Redis.from_url(
            self._url,
            socket_timeout=self._timeout_s,
            socket_connect_timeout=self._timeout_s,
            retry=retry,
        )

    def _check(self, client: "redis.Redis") -> None:
        """Whether the server keeps what it is told. `INFO`, since `CONFIG` is often forbidden."""
        info: dict[str, Any] = {}
        for section in ("persistence", "memory"):
            answer: Any = client.info(section)
            info.update(answer)
        policy = str(info.get("maxmemory_policy", "unknown"))
        if policy.startswith("allkeys"):
            raise StoreUnavailable(
                self.name,
                f"its maxmemory-policy is {policy}, so it would delete budgets to save memory",
                "Set maxmemory-policy to noeviction, or use a server of its own for the ledger.",
            )
        if not info.get("aof_enabled"):
            _log.warning(
                "The ledger %s has appendonly off: a restart of the server loses what was spent, "
                "and calls are refused then. Set appendonly to yes.",
                self.name,
            )

    def _begin(self) -> list[Any]:
        return self._enter(self._connect(), "begin")

    def _enter(self, client: "redis.Redis", how: Literal["begin", "accept"]) -> list[Any]:
        known = self._epoch or self._epochs.read()
        text, _digest = _script("epoch")
        made = uuid.uuid4().hex
        reply: Any = client.eval(text, 1, self._open_key, self._base, known, made, how)
        if reply[0] == b"lost":
            raise StoreUnavailable(
                self.name,
                "its data is not the data that this host has used before: it came back empty, "
                "was flushed, or is another server",
                "Restore it; or run `spanledger guard accept-loss` to go on with what it holds: "
                "what was spent before does not count any more then.",
            )
        self._epoch = reply[1].decode()
        self._epochs.write(self._epoch)
        return list(reply)

    def _down(self, problem: str, *, sent: bool) -> BackendDown:
        advice = "Start it or mend the network; the policy for this time is `on_down`."
        return BackendDown(self.name, problem, advice, sent)


@cache
def _script(name: str) -> tuple[str, str]:
    folder = files("spanledger.guard.stores").joinpath("lua")
    parts = [folder.joinpath(file).read_text("utf-8") for file in ("_common.lua", f"{name}.lua")]
    text = "\n".join(parts)
    # Redis names scripts by their SHA-1; nothing is secured by it.
    return text, sha1(text.encode(), usedforsecurity=False).hexdigest()


def without_secrets(url: str) -> str:
    """An address that may be shown: no user, no password, no options."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
