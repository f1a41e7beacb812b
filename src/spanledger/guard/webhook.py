"""A listener that posts events to an address: JSON of our own, or a Slack message.

The call that caused an event only enqueues it. One thread posts, with a time-out and retries;
what can't be delivered is logged and counted.
"""

import json
import logging
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Collection
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from spanledger.guard.events import EventKind, GuardEvent

_log = logging.getLogger("spanledger.alerts")

Style = Literal["json", "slack"]

#: Waits in contention are everyday life; the rest is worth a message.
ALERTING: frozenset[EventKind] = frozenset(
    {"refused", "cut", "threshold", "tripped", "breaker", "loop", "drift"}
)
_QUEUE = 1000
_RETRY_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class Webhook:
    """Posts events to `url`. `attempts` tries each, `timeout_s` seconds for each try.

    `clean` takes secrets out of the texts that are posted.

    Raises `ValueError` for an address that is not http(s).
    """

    def __init__(
        self,
        url: str,
        *,
        style: Style = "json",
        kinds: Collection[EventKind] = ALERTING,
        timeout_s: float = 5.0,
        attempts: int = 5,
        sleep: Callable[[float], None] = time.sleep,
        clean: Callable[[str], str] = str,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError("a webhook is an http or https address")
        self.url = url
        self._host = urlsplit(url).hostname or "the webhook"
        self._clean = clean
        self.failed = 0
        """Events that could not be delivered."""
        self._style, self._kinds = style, frozenset(kinds)
        self._timeout_s, self._attempts, self._sleep = timeout_s, attempts, sleep
        self._start_over()
        os.register_at_fork(after_in_child=self._start_over)

    def _start_over(self) -> None:
        self._queue: queue.Queue[GuardEvent] = queue.Queue(_QUEUE)
        self._starting = threading.Lock()
        self._worker: threading.Thread | None = None

    def __call__(self, event: GuardEvent, /) -> None:
        """Take an event; returns at once."""
        if event.kind not in self._kinds:
            return
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.failed += 1
            return
        self._start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is delivered or given up; False if `timeout_s` seconds were too few."""
        until = time.monotonic() + timeout_s
        while self._queue.unfinished_tasks and time.monotonic() < until:
            time.sleep(0.01)
        return not self._queue.unfinished_tasks

    def _start(self) -> None:
        with self._starting:
            if self._worker is None:
                self._worker = threading.Thread(
                    target=self._run, name="spanledger-webhook", daemon=True
                )
                self._worker.start()

    def _run(self) -> None:
        waiting = self._queue
        while self._queue is waiting:
            event = waiting.get()
            try:
                self._deliver(event)
            finally:
                waiting.task_done()

    def _deliver(self, event: GuardEvent) -> None:
        said = payload(event, self._style)
        clean = {k: self._clean(v) if isinstance(v, str) else v for k, v in said.items()}
        body = json.dumps(clean).encode()
        for attempt in range(self._attempts):
            if attempt:
                # Full jitter: many processes that fail together do not come back together.
                self._sleep(random.uniform(0, min(30.0, 2.0**attempt)))  # noqa: S311 - no secret
            if self._post(body):
                return
        self.failed += 1
        # Not the address: who knows it may post there.
        message = self._clean(event.message)
        _log.warning("an alert could not be delivered to %s: %s", self._host, message)

    def _post(self, body: bytes) -> bool:
        """True if it is done with: delivered, or refused for good (which is logged)."""
        request = Request(self.url, body, {"content-type": "application/json"})  # noqa: S310 - checked above
        try:
            with urlopen(request, timeout=self._timeout_s):  # noqa: S310 - checked above
                return True
        except OSError as error:
            status = getattr(error, "code", None)
            if status is None or status in _RETRY_STATUS:
                return False
            self.failed += 1
            _log.warning("%s refused an alert: HTTP %s", self._host, status)
            return True


def payload(event: GuardEvent, style: Style) -> dict[str, Any]:
    """What is posted. The id is the same each time an event is told, so receivers can drop it."""
    if style == "slack":
        return {"text": f"*Spanledger {event.kind}*: {event.message}"}
    said = event.refusal or event.threshold
    facts = {
        name: getattr(said, name, None)
        for name in ("rule", "scope", "metric", "window", "limit", "spent", "reserved", "asked")
    }
    return {
        "id": event.id,
        "kind": event.kind,
        "at": event.at,
        "reason": event.reason,
        "message": event.message,
        **{name: value for name, value in facts.items() if value is not None},
    }
