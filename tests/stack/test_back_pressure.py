"""Told to come again: both transports say it in the way that their clients understand."""

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # no types
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # as above

from spanledger import stack
from spanledger.stack import StackError, StackInfo
from spanledger.stack.admin import ask
from tests.stack.conftest import Ask
from tests.stack.test_otlp import a_span, traces

pytestmark = pytest.mark.storage
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def test_http_says_503_and_when_to_come_again(running: StackInfo, post_otlp: Ask) -> None:
    content = traces(a_span()).SerializeToString()
    ask(running, "pause", for_s=60)
    try:
        status, headers, answer = post_otlp("/v1/traces", content)
        assert (status, headers["retry-after"]) == (503, "1")
        assert b"send the same request again" in answer
    finally:
        ask(running, "pause", for_s=0)
    assert post_otlp("/v1/traces", content)[0] == 200


def test_grpc_says_resource_exhausted_and_when_to_come_again(running: StackInfo) -> None:
    content = traces(a_span()).SerializeToString()
    assert running.grpc_endpoint is not None
    with grpc.insecure_channel(running.grpc_endpoint.removeprefix("http://")) as channel:
        export = channel.unary_unary(EXPORT)
        ask(running, "pause", for_s=60)
        try:
            with pytest.raises(grpc.RpcError) as caught:
                export(content, timeout=30)
        finally:
            ask(running, "pause", for_s=0)
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        trailing = dict(caught.value.trailing_metadata())
        status = Status.FromString(trailing["grpc-status-details-bin"])
        told = RetryInfo()
        assert status.details[0].Unpack(told)
        assert told.retry_delay.seconds == 1
        assert export(content, timeout=30) == b""


def test_a_pause_ends_by_itself(running: StackInfo, post_otlp: Ask) -> None:
    ask(running, "pause", for_s=0.01)
    content = traces(a_span()).SerializeToString()
    for _ in range(100):
        if post_otlp("/v1/traces", content)[0] == 200:
            return
    raise AssertionError("still paused")


def test_nobody_pauses_without_the_token(running: StackInfo, post_otlp: Ask) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert post_otlp("/admin/pause?for_s=60", b"", headers=headers)[0] == 403
    assert post_otlp("/v1/traces", traces(a_span()).SerializeToString())[0] == 200


@pytest.mark.parametrize("name", ["../x", ".hidden", "a/b", "a'b"])
def test_a_backup_can_not_be_named_out_of_its_folder(running: StackInfo, name: str) -> None:
    with pytest.raises(StackError, match="name"):
        ask(running, "backup", name=name)
    assert stack.health(running)["state"] == "ok"
