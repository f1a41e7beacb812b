"""The proxy that breaks what goes through it."""

import threading
import time
from collections.abc import Iterator

import pytest
import requests

from spanledger.testing._http import Connection, HttpRequest, LoopbackServer, response
from spanledger.testing.otlp_server import HangReply, LostReply, Refuse
from spanledger.testing.proxy import DelayReply, FaultProxy, ResetRequest


class Target:
    """Echoes bodies and remembers them."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.server = LoopbackServer(self.handle).start()

    def handle(self, connection: Connection, request: HttpRequest) -> None:
        self.seen.append(request.body)
        connection.send(response(200, {"x-path": request.path}, request.body))


@pytest.fixture
def target() -> Iterator[Target]:
    target = Target()
    yield target
    target.server.stop()


@pytest.fixture
def proxy(target: Target) -> Iterator[FaultProxy]:
    with FaultProxy(target.server.url) as proxy:
        yield proxy


def post(proxy: FaultProxy, body: bytes = b"x", timeout_s: float = 5) -> requests.Response:
    return requests.post(f"{proxy.endpoint}/a?b=c", body, timeout=timeout_s)


def test_without_a_fault_everything_passes(target: Target, proxy: FaultProxy) -> None:
    answer = post(proxy, b"body")
    assert (answer.status_code, answer.content) == (200, b"body")
    assert answer.headers["x-path"] == "/a?b=c"
    assert (proxy.forwarded, proxy.injected) == (1, 0)


def test_a_chunked_body_arrives_whole(target: Target, proxy: FaultProxy) -> None:
    requests.post(proxy.endpoint, iter([b"one", b"two"]), timeout=5)
    assert target.seen == [b"onetwo"]


def test_a_refused_request_is_never_seen(target: Target, proxy: FaultProxy) -> None:
    proxy.enqueue(Refuse(status=503, retry_after_s=2))
    refused = post(proxy)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert post(proxy).status_code == 200
    assert (target.seen, proxy.injected) == ([b"x"], 1)


def test_a_reset_request_is_never_seen(target: Target, proxy: FaultProxy) -> None:
    proxy.enqueue(ResetRequest())
    with pytest.raises(requests.ConnectionError):
        post(proxy)
    assert target.seen == []


@pytest.mark.parametrize("reset", [True, False])
def test_a_lost_reply_was_forwarded(target: Target, proxy: FaultProxy, reset: bool) -> None:
    proxy.enqueue(LostReply(reset=reset))
    with pytest.raises(requests.ConnectionError):
        post(proxy)
    assert (target.seen, proxy.forwarded) == ([b"x"], 1)


@pytest.mark.parametrize("store", [True, False])
def test_a_hanging_reply_never_comes(target: Target, proxy: FaultProxy, store: bool) -> None:
    proxy.enqueue(HangReply(store=store))
    with pytest.raises(requests.Timeout):
        post(proxy, timeout_s=0.2)
    assert len(target.seen) == store


def test_a_delayed_reply_comes_after_the_deed(target: Target, proxy: FaultProxy) -> None:
    proxy.enqueue(DelayReply(seconds=0.2))
    began = time.monotonic()
    assert post(proxy).status_code == 200
    assert time.monotonic() - began >= 0.2


def test_what_waits_at_a_cut_goes_on_when_it_heals(target: Target, proxy: FaultProxy) -> None:
    proxy.cut()
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(post(proxy).status_code))
    thread.start()
    with pytest.raises(requests.Timeout):
        post(proxy, b"gave up", timeout_s=0.2)
    assert target.seen == []
    proxy.heal()
    thread.join(5)
    assert (answers, target.seen) == ([200], [b"x"])


def test_faults_befall_only_what_matches(target: Target) -> None:
    with FaultProxy(target.server.url, matching=lambda r: b"INSERT" in r.body) as proxy:
        proxy.always(Refuse(status=500))
        assert post(proxy, b"SELECT 1").status_code == 200
        assert post(proxy, b"INSERT").status_code == 500
        proxy.heal()
        assert post(proxy, b"INSERT").status_code == 200


def test_a_target_that_is_away_looks_like_one(target: Target, proxy: FaultProxy) -> None:
    target.server.stop()
    with pytest.raises(requests.ConnectionError):
        post(proxy)


def test_a_target_that_is_no_http_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not like http://127\.0\.0\.1:4318"):
        FaultProxy("tcp://127.0.0.1:9000")
