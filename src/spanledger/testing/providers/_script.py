"""What a mock provider answers to whom, and the record of what it received."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from spanledger.testing.providers._behaviours import Behaviour, Fail, Reply
from spanledger.testing.providers._errors import invalid_request
from spanledger.testing.providers._render import render
from spanledger.testing.providers._rendered import Rendered
from spanledger.testing.providers._request import RecordedRequest, parse_body

#: A behaviour, or a function that chooses one for a request.
BehaviourSource = Behaviour | Callable[[RecordedRequest], Behaviour]
Predicate = Callable[[RecordedRequest], bool]


class Exchange:
    """One request with its reply; whoever sends the reply notes its progress here."""

    def __init__(self, script: "ProviderScript", request: RecordedRequest) -> None:
        self._script = script
        # Written by the one thread that sends this reply; readers take the whole value.
        self.request = request
        self.rendered = Rendered()

    def started(self) -> None:
        self.request = replace(self.request, status=self.rendered.status)

    def event_sent(self) -> None:
        self.request = replace(self.request, chunks_sent=self.request.chunks_sent + 1)

    def finishing(self) -> None:
        """The last bytes are about to go out.

        Noted before they do, so that a client that has them reads a finished record.
        """
        self.request = replace(self.request, completed=self.rendered.ending == "complete")

    def client_gone(self) -> None:
        self.request = replace(self.request, completed=False, disconnected=True)

    def ended(self) -> None:
        """Nothing more happens to this request."""
        self._script._exchange_ended()


class ProviderScript:
    """Behaviours and records of a mock provider, whatever transport it is reached by.

    For each request the first of these applies: the 4xx of an invalid request, the next
    enqueued behaviour, the first matching `on` rule, ``default``. Thread-safe.
    """

    def __init__(
        self,
        default: BehaviourSource | None = None,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._default: BehaviourSource = Reply() if default is None else default
        self._wall_clock = wall_clock
        self._changed = threading.Condition()
        self._queue: deque[BehaviourSource] = deque()
        self._rules: list[tuple[Predicate, BehaviourSource]] = []
        self._exchanges: list[Exchange] = []
        self._in_flight = 0

    def enqueue(self, *behaviours: BehaviourSource) -> None:
        """Answer the next requests with these, one each, in order, whatever they ask."""
        with self._changed:
            self._queue.extend(behaviours)

    def on(self, match: str | Predicate, behaviour: BehaviourSource) -> None:
        """Answer every request for model ``match`` (or for which it is true) so.

        The first rule that was added and matches wins.
        """
        rule = _asks_for(match) if isinstance(match, str) else match
        with self._changed:
            self._rules.append((rule, behaviour))

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request since the last reset, in order of arrival, as it stands now."""
        with self._changed:
            return [exchange.request for exchange in self._exchanges]

    def calls(self, path: str | None = None) -> int:
        """How many HTTP requests arrived; with ``path``, only those whose path ends so."""
        paths = (request.path.partition("?")[0] for request in self.requests)
        return sum(path is None or p.endswith(path) for p in paths)

    @property
    def chunks_sent(self) -> int:
        """Stream events sent, over all requests."""
        return sum(request.chunks_sent for request in self.requests)

    @property
    def disconnected(self) -> int:
        """Requests whose client left before the reply was complete."""
        return sum(request.disconnected for request in self.requests)

    @property
    def pending(self) -> int:
        """Enqueued behaviours that no request has used yet."""
        with self._changed:
            return len(self._queue)

    def wait_idle(self, timeout_s: float = 5.0) -> bool:
        """Wait until no reply is under way; ``False`` if some still is after ``timeout_s``.

        A client that leaves is noticed by the server a moment later; wait before counting.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._in_flight == 0, timeout_s)

    def reset(self) -> None:
        """Forget requests, enqueued behaviours and rules; the default stays."""
        with self._changed:
            self._queue.clear()
            self._rules.clear()
            self._exchanges.clear()

    def receive(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Exchange:
        """Record a request and decide its reply. For transports; `Exchange.ended` must follow."""
        with self._changed:
            request = RecordedRequest(
                at_index=len(self._exchanges),
                method=method,
                path=path,
                headers=dict(headers),
                body=parse_body(body, headers.get("content-type", "")),
            )
            exchange = Exchange(self, request)
            self._exchanges.append(exchange)
            self._in_flight += 1
            source = invalid_request(request) or self._pick(request)
        exchange.rendered = self._render(exchange, source)
        return exchange

    def _pick(self, request: RecordedRequest) -> BehaviourSource:
        if self._queue:
            return self._queue.popleft()
        matching = (behaviour for match, behaviour in self._rules if match(request))
        return next(matching, self._default)

    def _render(self, exchange: Exchange, source: BehaviourSource) -> Rendered:
        # Outside the lock: a function may look at the script, and rendering takes its time.
        request, now_s = exchange.request, self._wall_clock()
        try:
            return render(request, source(request) if callable(source) else source, now_s)
        except Exception as error:  # noqa: BLE001 - a test's own function; tell its author
            message = f"The mock provider's behaviour failed: {error!r}"
            failure = Fail(status=500, message=message, headers={"x-should-retry": "false"})
            return render(request, failure, now_s)

    def _exchange_ended(self) -> None:
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()


def _asks_for(model: str) -> Predicate:
    return lambda request: request.model == model
