"""What senders should not send: stored, or refused for a reason that is counted."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from spanledger import stack
from spanledger.stack import StackInfo
from tests.stack.conftest import Ask
from tests.stack.test_otlp import a_span, attributes, traces

pytestmark = pytest.mark.storage
YEAR_2100_NS = 4_102_444_800 * 10**9


def a_chat(**more: str | int) -> Span:
    return a_span(attributes=attributes(gen_ai__operation__name="chat", **more))


def counts(client: Any, *spans: Span) -> list[int]:
    """How often each span is in the landing table."""
    rows = client.query(
        "SELECT SpanId, count() FROM otel_traces WHERE SpanId IN {ids:Array(String)} GROUP BY 1",
        parameters={"ids": [span.span_id.hex() for span in spans]},
    ).result_rows
    found = dict(rows)
    return [found.get(span.span_id.hex(), 0) for span in spans]


def send(post_otlp: Ask, *spans: Span) -> tuple[int, int]:
    """Status, and spans that were refused."""
    status, _, answer = post_otlp("/v1/traces", traces(*spans).SerializeToString())
    told = ExportTraceServiceResponse.FromString(answer)
    return status, told.partial_success.rejected_spans


@pytest.mark.parametrize(
    "bad",
    [
        a_span(attributes=attributes(**{f"key_{n}": n for n in range(10_000)})),
        a_chat(gen_ai__usage__input_tokens=-5),
        a_chat(spanledger__cost__nano_usd=-1),
        a_chat(spanledger__cost__nano_usd="NaN"),
        a_chat(gen_ai__usage__output_tokens="9" * 400),
        a_span(start_time_unix_nano=0, end_time_unix_nano=1),
        a_span(start_time_unix_nano=YEAR_2100_NS, end_time_unix_nano=YEAR_2100_NS + 1),
        a_span(start_time_unix_nano=YEAR_2100_NS, end_time_unix_nano=5),
        a_span(
            name="\x00\x1b[2J\r\n\x7f\u202e",
            attributes=attributes(
                gen_ai__operation__name="chat", gen_ai__request__model="gpt\x00\x1b]0;x\x07\n4"
            ),
        ),
        a_span(name="n" * 1_000_000),
        a_span(kind=77, trace_state="\n" * 1000),
    ],
    ids=[
        "10k attributes", "negative tokens", "negative cost", "cost NaN", "400 digits of tokens",
        "1970", "2100", "ends before it starts", "control characters", "1 MB name",
        "unknown kind",
    ],
)  # fmt: skip
def test_an_odd_span_is_stored_and_so_is_everything_beside_it(
    client: Any, post_otlp: Ask, bad: Span
) -> None:
    before, after = a_span(), a_span()
    assert send(post_otlp, before, bad, after) == (200, 0)
    assert counts(client, before, bad, after) == [1, 1, 1]


def test_no_odd_span_makes_a_cost(client: Any, post_otlp: Ask) -> None:
    """Tokens below zero and costs that are none are unknown, and never money."""
    spans = [
        a_span(
            attributes=attributes(gen_ai__operation__name="chat", spanledger__cost__nano_usd=bad)
        )
        for bad in ("NaN", "-inf", "", "1e999", "0x10")
    ]
    assert send(post_otlp, *spans) == (200, 0)
    rows = client.query(
        "SELECT count(), sum(cost_usd) FROM calls WHERE span_id IN {ids:Array(String)}",
        parameters={"ids": [span.span_id.hex() for span in spans]},
    ).result_rows
    assert rows == [(5, None)]


def test_spans_with_one_id_are_all_in_the_landing_table_and_one_call(
    client: Any, post_otlp: Ask
) -> None:
    chat = attributes(gen_ai__operation__name="chat")
    first = a_span(attributes=chat, name="a")
    second = a_span(attributes=chat, name="b", trace_id=first.trace_id, span_id=first.span_id)
    assert send(post_otlp, first, second) == (200, 0)
    assert counts(client, first) == [2]
    calls = client.query(
        "SELECT count() FROM calls WHERE span_id = {id:String}",
        parameters={"id": first.span_id.hex()},
    ).result_rows
    assert calls == [(1,)]


def test_spans_that_can_not_be_stored_are_counted_by_reason_and_the_others_are_stored(
    running: StackInfo, client: Any, post_otlp: Ask
) -> None:
    good = a_span()
    bad = [
        a_span(trace_id=b"short"),
        a_span(span_id=bytes(8)),
        a_span(start_time_unix_nano=2**63, end_time_unix_nano=2**63),
    ]
    before = stack.health(running)["refused"]
    assert send(post_otlp, *bad, good) == (200, 3)
    assert counts(client, good) == [1]
    after = stack.health(running)["refused"]
    grown = {reason: n - before.get(reason, 0) for reason, n in after.items()}
    assert sum(grown.values()) == 3
    assert {reason for reason, n in grown.items() if n} == {
        "span without a valid trace id (16 bytes, not all zero)",
        "span without a valid span id (8 bytes, not all zero)",
        "span that starts after the year 2262",
    }


def test_a_span_that_the_engine_refuses_is_found_by_halving_and_the_others_are_stored(
    running: StackInfo, client: Any, post_otlp: Ask
) -> None:
    client.command(
        "ALTER TABLE otel_traces ADD CONSTRAINT no_poison CHECK SpanName != 'poison of the test'"
    )
    try:
        spans = [a_span() for _ in range(20)]
        spans[13] = a_span(name="poison of the test")
        assert send(post_otlp, *spans) == (200, 1)
        assert counts(client, *spans) == [1] * 13 + [0] + [1] * 6
        assert stack.health(running)["refused"]["refused by the engine (error 469)"] == 1
        again = send(post_otlp, *spans)
        assert again == (200, 0)
        assert counts(client, *spans) == [1] * 13 + [0] + [1] * 6
    finally:
        client.command("ALTER TABLE otel_traces DROP CONSTRAINT no_poison")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/x-protobuf", b"\xff" * 100),
        ("application/x-protobuf", b"\x0a\xff\xff\xff\xff\x0f"),
        ("application/json", b'{"resourceSpans": ['),
        ("application/json", b"[" * 100_000),
        (
            "application/json",
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}',
        ),
    ],
)
def test_a_malformed_request_is_refused_for_good_and_counted(
    running: StackInfo, post_otlp: Ask, kind: str, content: bytes
) -> None:
    before = stack.health(running)["received"].get("traces.malformed", 0)
    assert post_otlp("/v1/traces", content, kind)[0] == 400
    assert stack.health(running)["received"]["traces.malformed"] == before + 1


def test_a_request_of_more_than_64_mb_is_refused_while_it_comes_and_counted(
    running: StackInfo, post_otlp: Ask, client: Any
) -> None:
    before = stack.health(running)["received"].get("traces.too_large", 0)
    port = urlsplit(running.otlp_endpoint).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    kind = {"Content-Type": "application/x-protobuf"}
    pieces = (b"\x00" * (1 << 20) for _ in range(80))
    try:
        connection.request("POST", "/v1/traces", pieces, kind, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused while we were still sending
    finally:
        connection.close()
    assert stack.health(running)["received"]["traces.too_large"] == before + 1
    span = a_span()
    assert send(post_otlp, span) == (200, 0)
    assert counts(client, span) == [1]


def test_a_request_of_almost_64_mb_is_stored(client: Any, post_otlp: Ask) -> None:
    spans = [a_span(attributes=attributes(content="x" * 1_000_000)) for _ in range(60)]
    assert send(post_otlp, *spans) == (200, 0)
    assert counts(client, *spans) == [1] * 60


def test_health_tells_what_an_operator_asks(running: StackInfo, post_otlp: Ask) -> None:
    send(post_otlp, a_span())
    status, _, answer = post_otlp("/health", b"", method="GET")
    health = json.loads(answer)
    assert status == 200
    assert health["received"]["traces.rows"] >= 1
    assert health["waiting"]["requests"] == 0
    assert health["last_insert_at"] > "2020"
    assert health["disk_free_bytes"] > 0
    assert health["process"]["memory_bytes"] > 0
    assert health["engine_version"] == running.engine_version
    assert health["schema_version"] >= 2
    assert (health["state"], health["problem"]) == ("ok", None)
