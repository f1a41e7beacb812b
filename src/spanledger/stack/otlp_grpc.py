"""OTLP over gRPC: the default of OpenTelemetry's distributions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as Packed  # type: ignore[import-untyped]  # no types
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]  # as above
from google.rpc.code_pb2 import RESOURCE_EXHAUSTED  # type: ignore[import-untyped]  # as above
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # as above
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # as above

from spanledger.stack._info import HOST
from spanledger.stack._intake import Postponed
from spanledger.stack._otlp import SIGNALS, MalformedRequest, Signal
from spanledger.stack.engine import EngineError
from spanledger.stack.receiver import PATIENCE_S, Receiver, Taken

#: Requests that wait for their rows: what makes an insert of many of them possible.
_THREADS: Final = 32
_MAX_CONCURRENT: Final = 48
_MAX_MESSAGE_BYTES: Final = 16 << 20
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    # Without this a second daemon would share the port instead of failing, and take half of
    # the first one's requests.
    ("grpc.so_reuseport", 0),
)
_RETRY_AFTER_S: Final = 1


class OtlpGrpc:
    """The OTLP/gRPC server, on threads of its own."""

    def __init__(
        self, receiver: Receiver, port: int, problem: Callable[[], str | None] = lambda: None
    ) -> None:
        """Bind *port* (0: any free one). *problem* says why nothing can be taken now.

        Raises:
            OSError: if the port is taken.
        """
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="otlp-grpc"),
            options=_OPTIONS,
            maximum_concurrent_rpcs=_MAX_CONCURRENT,
        )
        for signal in SIGNALS:
            self._server.add_generic_rpc_handlers((_service(receiver, signal, problem),))
        try:
            self.port = int(self._server.add_insecure_port(f"{HOST}:{port}"))
        except RuntimeError as error:
            raise OSError(str(error)) from error
        if not self.port:
            raise OSError(f"port {port} is taken")

    def start(self) -> None:
        """Accept requests."""
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Refuse new requests; give running ones *grace_s*."""
        self._server.stop(grace_s).wait(grace_s)


def _service(receiver: Receiver, signal: Signal, problem: Callable[[], str | None]) -> Any:
    # Raw bytes in and out: the deduplication token is a hash of what was sent.
    method = grpc.unary_unary_rpc_method_handler(_export(receiver, signal, problem))
    return grpc.method_handlers_generic_handler(signal.service, {"Export": method})


def _export(
    receiver: Receiver, signal: Signal, problem: Callable[[], str | None]
) -> Callable[[bytes, Any], bytes]:
    def export(body: bytes, context: Any) -> bytes:
        try:
            if reason := problem():
                raise Postponed(reason)
            return _stored(receiver, receiver.take(signal, body))
        except MalformedRequest as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Postponed as error:
            _postpone(context, f"Not taken now ({error}): send the same request again.")
        except (EngineError, FutureTimeoutError) as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"The rows could not be stored: {error}")
        raise AssertionError("abort raises")

    return export


def _stored(receiver: Receiver, taken: Taken) -> bytes:
    try:
        refused = taken.future.result(PATIENCE_S)
    except (EngineError, Postponed, FutureTimeoutError):
        receiver.failed(taken)
        raise
    return receiver.answer(taken, refused)


def _postpone(context: Any, sentence: str) -> None:
    """RESOURCE_EXHAUSTED says "come again" only with a pause in its details."""
    detail = Packed()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=_RETRY_AFTER_S)))
    status = Status(code=RESOURCE_EXHAUSTED, message=sentence, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)
