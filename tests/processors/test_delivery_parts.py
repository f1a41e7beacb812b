"""The parts between the queue and the collector: pieces, pauses, requests."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import Event, ReadableSpan

from spanledger import semconv
from spanledger.processors.clean import Cleaner
from spanledger.processors.delivery.backoff import Backoff, asked_for
from spanledger.processors.delivery.entries import MOST_BYTES, Encoded, Encoder
from spanledger.processors.delivery.pieces import halves, parse, shortened
from spanledger.processors.delivery.sender import Sender
from spanledger.processors.delivery.weight import weigh
from spanledger.processors.records import Record
from spanledger.processors.redaction import AllowList, redactor
from spanledger.processors.spool import Entry, Signal
from spanledger.processors.transport import Sent, retry_after_s
from tests.processors._exporting import record, span


def encode(*items: ReadableSpan | Record) -> Encoded:
    cleaner = Cleaner(AllowList(content="full", extra=("*",)), redactor([]))
    return Encoder(cleaner, lambda: {"service.name": "app"}).encode(items)


def names(entry: Entry) -> list[str]:
    """The names of the spans in an entry, or the bodies of its records."""
    message = parse(entry)
    if entry.signal == "traces":
        return [
            one.name
            for block in message.resource_spans
            for scope in block.scope_spans
            for one in scope.spans
        ]
    return [
        one.body.string_value
        for block in message.resource_logs
        for scope in block.scope_logs
        for one in scope.log_records
    ]


@pytest.mark.parametrize("count", [2, 3, 7, 100])
@pytest.mark.parametrize("make", [span, record], ids=["spans", "records"])
def test_two_halves_are_the_whole(count: int, make: Any) -> None:
    [entry] = encode(*[make(f"number {n}") for n in range(count)]).entries
    first, second = halves(entry)
    assert names(first) + names(second) == names(entry)
    assert (first.items, second.items) == (count // 2, count - count // 2)
    assert len(names(first)) == first.items


def test_joined_entries_are_one_request() -> None:
    """So nothing is decoded to be sent."""
    entries = [entry for n in range(3) for entry in encode(span(f"a{n}"), span(f"b{n}")).entries]
    joined = Entry("traces", 6, b"".join(entry.body for entry in entries))
    assert names(joined) == ["a0", "b0", "a1", "b1", "a2", "b2"]


def large(size: int, **attributes: Any) -> ReadableSpan:
    one = span("large", **{"gen_ai.usage.input_tokens": 7, **attributes})
    text = "".join(chr(97 + n % 26) for n in range(1000))
    one._attributes = {**(one.attributes or {}), "tool.result": text * (size // 1000)}
    return one


def test_a_span_of_ten_megabytes_is_shortened_and_says_so() -> None:
    """What is counted of it stays: tokens, ids, times."""
    [entry] = encode(large(10_000_000)).entries
    assert len(entry.body) <= MOST_BYTES
    [sent] = parse(entry).resource_spans[0].scope_spans[0].spans
    attributes = {pair.key: pair.value for pair in sent.attributes}
    assert attributes["gen_ai.usage.input_tokens"].int_value == 7
    assert attributes[semconv.TRUNCATED].bool_value
    assert attributes["tool.result"].string_value.startswith("abcdef")
    assert len(sent.span_id) == 8
    assert sent.end_time_unix_nano == 2


def test_a_span_of_endless_lists_and_events_is_thinned_out() -> None:
    one = span("wide", **{"numbers": [float(n) for n in range(200_000)]})
    one._events = [Event(f"event {n}", {"text": "x" * 200}, 1) for n in range(5_000)]
    [entry] = encode(one).entries
    assert len(entry.body) <= MOST_BYTES
    [sent] = parse(entry).resource_spans[0].scope_spans[0].spans
    assert sent.events[0].name == "event 0"
    assert {pair.key for pair in sent.attributes} >= {"numbers", semconv.TRUNCATED}


def test_a_batch_of_large_spans_becomes_entries_that_a_collector_takes() -> None:
    encoded = encode(*[large(300_000) for _ in range(9)], record())
    assert all(len(entry.body) <= MOST_BYTES for entry in encoded.entries)
    assert sum(entry.items for entry in encoded.entries if entry.signal == "traces") == 9
    assert encoded.lost.total() == 0
    # None of them had to be shortened: three fit into one.
    assert not any(semconv.TRUNCATED.encode() in entry.body for entry in encoded.entries)


def test_what_can_not_be_made_small_enough_is_lost_and_counted() -> None:
    [entry] = encode(span()).entries
    assert shortened(entry, 10) is None


def test_bad_items_are_named_once_for_a_batch(caplog: pytest.LogCaptureFixture) -> None:
    """Not once for each."""
    bad = [Record(1, "e", "b", True, {}, trace_id=-1) for _ in range(5)]
    with caplog.at_level(logging.WARNING):
        encoded = encode(*bad, span("good"), record("fine"))
    assert encoded.lost == {"unsendable": 5}
    assert [entry.items for entry in encoded.entries] == [1, 1]
    assert len(caplog.records) == 1


def test_a_weight_grows_with_the_texts_of_a_span() -> None:
    assert 1000 <= weigh(span()) < 1100
    assert weigh(span("chat", **{"a": "x" * 5000, "b": ["y" * 3000], "c": 1})) >= 9000
    one = span()
    one._events = [Event("exception", {"exception.stacktrace": "z" * 7000}, 1)]
    assert weigh(one) > 8000
    assert weigh(record()) > 1000


class Script:
    """A transport that refuses requests with bad spans in them, and counts what it took."""

    target = "script"

    def __init__(self, bad: set[str], *, by_content: bool = True) -> None:
        self.taken: list[str] = []
        self.requests = 0
        self._bad = bad
        self._by_content = by_content

    def send(self, signal: Signal, request: bytes, *, timeout_s: float) -> Sent:
        self.requests += 1
        found = names(Entry(signal, 0, request))
        if self._bad & set(found):
            return Sent("refused", "HTTP 400: bad", by_content=self._by_content)
        self.taken += found
        return Sent("delivered")

    def close(self) -> None: ...


def entries_of(names: Sequence[str], each: int) -> list[Entry]:
    return [
        entry
        for at in range(0, len(names), each)
        for entry in encode(*[span(name) for name in names[at : at + each]]).entries
    ]


@given(
    count=st.integers(1, 60), each=st.integers(1, 20), bad=st.sets(st.integers(0, 59), max_size=3)
)
def test_of_what_is_refused_only_the_bad_is_lost(count: int, each: int, bad: set[int]) -> None:
    """Wherever they are, and however the spans were put together."""
    all_names = [f"span {n}" for n in range(count)]
    bad_names = {f"span {n}" for n in bad if n < count}
    script = Script(bad_names)
    outcome = Sender(script, lambda: 1.0).send(entries_of(all_names, each))
    assert script.taken == [name for name in all_names if name not in bad_names]
    assert outcome.delivered == count - len(bad_names)
    assert outcome.dropped.total() == len(bad_names)


def test_when_everything_is_bad_the_dividing_ends() -> None:
    """A collector that refuses each is not asked a thousand times."""
    all_names = [f"span {n}" for n in range(512)]
    script = Script(set(all_names))
    outcome = Sender(script, lambda: 1.0).send(entries_of(all_names, 512))
    assert outcome.dropped == {"refused": 512}
    assert script.requests < 150


def test_what_is_refused_for_other_reasons_is_not_divided() -> None:
    """A wrong key is wrong for each span."""
    script = Script({"span 1"}, by_content=False)
    outcome = Sender(script, lambda: 1.0).send(entries_of(["span 0", "span 1"], 2))
    assert script.requests == 1
    assert outcome.dropped == {"refused": 2}


class Answers:
    """A transport that answers as it is told."""

    target = "answers"

    def __init__(self, *answers: Sent) -> None:
        self._answers = list(answers)
        self.signals: list[Signal] = []

    def send(self, signal: Signal, request: bytes, *, timeout_s: float) -> Sent:
        self.signals.append(signal)
        return self._answers.pop(0)

    def close(self) -> None: ...


def test_each_signal_goes_in_one_request() -> None:
    entries = [*encode(span(), record()).entries, *encode(record(), span()).entries]
    answers = Answers(Sent("delivered"), Sent("delivered"))
    assert Sender(answers, lambda: 1.0).send(entries).delivered == 4
    assert answers.signals == ["traces", "logs"]


def test_what_can_not_be_divided_is_dropped() -> None:
    """An adopted entry that some other program wrote must not be tried for ever."""
    answers = Answers(Sent("refused", by_content=True))
    outcome = Sender(answers, lambda: 1.0).send([Entry("traces", 5, b"no message at all")])
    assert outcome.dropped == {"refused": 5}


@pytest.mark.parametrize(("said", "counted"), [(3, 3), (-5, 0), (10**12, 5)])
def test_a_receiver_that_lies_about_numbers_does_not_spoil_the_books(
    said: int, counted: int
) -> None:
    answers = Answers(Sent("delivered", "some", rejected=said))
    outcome = Sender(answers, lambda: 1.0).send(entries_of([f"s{n}" for n in range(5)], 5))
    assert (outcome.delivered, outcome.dropped.total()) == (5 - counted, counted)


def test_nothing_is_settled_while_a_part_has_to_be_sent_again() -> None:
    answers = Answers(Sent("refused", by_content=True), Sent("delivered"), Sent("retry", "busy"))
    outcome = Sender(answers, lambda: 1.0).send(entries_of(["a", "b"], 2))
    assert outcome.retry == Sent("retry", "busy")
    assert len(answers.signals) == 3


def test_pauses_grow_are_spread_and_end() -> None:
    """And an answer makes the next pause short again."""
    longest, shortest = Backoff(lambda: 1.0), Backoff(lambda: 0.0)
    assert [longest.failed() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert [shortest.failed() for _ in range(3)] == [0.25, 0.5, 1.0]
    longest.succeeded()
    assert longest.failed() == 0.5


def test_requests_shrink_while_they_fail_and_grow_again() -> None:
    """One that is too large for a slow line would never arrive."""
    backoff, sizes = Backoff(), list[int]()
    for _ in range(7):
        backoff.failed()
        sizes.append(backoff.most_items)
    assert sizes == [256, 128, 64, 32, 16, 16, 16]
    for _ in range(9):
        backoff.succeeded()
    assert backoff.most_items == 512


def test_a_receiver_is_obeyed_within_reason() -> None:
    assert asked_for(20.0) == 20.0
    assert asked_for(0.0) == 0.1
    assert asked_for(float("inf")) == 300.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("-1", 0.0),
        ("nan", 0.0),
        ("soon", None),
        ("Fri, 20 Nov 2026 10:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 09:00:00 GMT", 0.0),
        ("Fri, 99 Nov 2026 09:00:00 GMT", None),
    ],
)
def test_the_time_to_wait_is_read_from_seconds_or_a_date(
    text: str | None, seconds: float | None
) -> None:
    now_s = 1_795_168_800.0
    assert retry_after_s(text, now_s=now_s) == seconds


def test_an_empty_request_is_no_entry() -> None:
    assert encode().entries == []
    assert ExportTraceServiceRequest().SerializeToString() == b""
