"""Alerts by webhook: posted off the call path, tried again, given up with a count."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from spanledger.guard import Budget, Guard, GuardEvent, Policy, Spending
from spanledger.guard.webhook import Webhook, payload
from tests.guard._calls import call, guard


class Receiver:
    """A local address that remembers what is posted and answers as it is told."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.release = threading.Event()
        self.release.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.release.wait(10)
                receiver.bodies.append(json.loads(body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alerts"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.release.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def _refusing(listener: Webhook) -> Guard:
    return guard(Budget("none", "calls", 0), listeners=(listener,))


def test_a_refusal_is_posted_with_its_numbers(receiver: Receiver) -> None:
    webhook = Webhook(receiver.url)
    _refusing(webhook).admit(call())
    assert webhook.flush(5)
    [body] = receiver.bodies
    assert body["kind"] == "refused"
    assert body["reason"] == "budget_exhausted"
    assert (body["rule"], body["limit"], body["asked"]) == ("none", 0, 1)
    assert "Budget 'none'" in body["message"]


def test_the_call_does_not_wait_for_the_receiver(receiver: Receiver) -> None:
    """The receiver answers only after the decision is there."""
    receiver.release.clear()
    webhook = Webhook(receiver.url)
    decision = _refusing(webhook).admit(call())
    assert not decision.allowed
    assert receiver.bodies == []
    receiver.release.set()
    assert webhook.flush(5)
    assert len(receiver.bodies) == 1


def test_a_receiver_that_fails_for_a_while_gets_the_same_event_in_the_end(
    receiver: Receiver,
) -> None:
    receiver.answers = [503, 429]
    waits: list[float] = []
    webhook = Webhook(receiver.url, sleep=waits.append)
    _refusing(webhook).admit(call())
    assert webhook.flush(5)
    assert len({body["id"] for body in receiver.bodies}) == 1
    assert len(receiver.bodies) == 3
    assert len(waits) == 2
    assert webhook.failed == 0


@pytest.mark.parametrize(("answers", "posts"), [([404], 1), ([503] * 9, 5)])
def test_what_can_not_be_delivered_is_counted(
    receiver: Receiver, answers: list[int], posts: int
) -> None:
    """A refusal for good at once, a failure after the last try."""
    receiver.answers = answers
    webhook = Webhook(receiver.url, sleep=lambda _s: None)
    _refusing(webhook).admit(call())
    assert webhook.flush(5)
    assert len(receiver.bodies) == posts
    assert webhook.failed == 1


def test_no_secret_is_posted_or_logged(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither one in the text, nor the address: who knows it may post there."""
    receiver.answers = [404]
    webhook = Webhook(
        f"{receiver.url}/T000/secret-path", clean=lambda text: text.replace("calls", "[cut]")
    )
    _refusing(webhook).admit(call())
    assert webhook.flush(5)
    (body,) = receiver.bodies
    assert "calls" not in json.dumps(body)
    assert "[cut]" in body["message"]
    assert "127.0.0.1 refused an alert" in caplog.text
    assert "secret-path" not in caplog.text


def test_waits_are_not_alerts(receiver: Receiver) -> None:
    webhook = Webhook(receiver.url)
    webhook(GuardEvent("1", "waited", 0.0, call(), "allowed", waited_s=1.0))
    assert webhook.flush(5)
    assert receiver.bodies == []


def test_a_threshold_is_posted_to_slack_as_a_sentence(receiver: Receiver) -> None:
    webhook = Webhook(receiver.url, style="slack")
    watched = Guard(Policy((Budget("week", "tokens", 100, "week"),)), listeners=(webhook,))
    held = watched.admit(call(tokens=85)).granted()
    watched.settle(held, Spending(tokens=85, cost_nano_usd=0))
    assert webhook.flush(5)
    [body] = receiver.bodies
    assert body.keys() == {"text"}
    assert "80% of budget 'week' is used" in body["text"]


def test_a_webhook_is_an_http_address() -> None:
    with pytest.raises(ValueError, match="http or https"):
        Webhook("file:///etc/passwd")


def test_the_id_of_a_posted_event_is_the_events_own() -> None:
    event = GuardEvent("abc", "loop", 5.0, None, "loop_seen", detail="round and round")
    assert payload(event, "json") == {
        "id": "abc",
        "kind": "loop",
        "at": 5.0,
        "reason": "loop_seen",
        "message": "round and round",
    }
