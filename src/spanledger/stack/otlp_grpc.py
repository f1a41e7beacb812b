"""OTLP over gRPC: the default of OpenTelemetry's distributions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import grpc

from spanledger.stack._info import HOST
from spanledger.stack._otlp import SIGNALS, MalformedRequest, Signal
from spanledger.stack.engine import EngineError
from spanledger.stack.receiver import MAX_INSERTING, Receiver

_MAX_CONCURRENT: Final = 32
_MAX_MESSAGE_BYTES: Final = 16 << 20
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    # Without this a second daemon would share the port instead of failing, and take half of
    # the first one's requests.
    ("grpc.so_reuseport", 0),
)


class OtlpGrpc:
    """The OTLP/gRPC server, on threads of its own."""

    def __init__(self, receiver: Receiver, port: int) -> None:
        """Bind *port* (0: any free one).

        Raises:
            OSError: if the port is taken.
        """
        self._server = grpc.server(
            ThreadPoolExecutor(MAX_INSERTING, thread_name_prefix="otlp-grpc"),
            options=_OPTIONS,
            maximum_concurrent_rpcs=_MAX_CONCURRENT,
        )
        for signal in SIGNALS:
            self._server.add_generic_rpc_handlers((_service(receiver, signal),))
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


def _service(receiver: Receiver, signal: Signal) -> Any:
    # Raw bytes in and out: the deduplication token is a hash of what was sent.
    method = grpc.unary_unary_rpc_method_handler(_export(receiver, signal))
    return grpc.method_handlers_generic_handler(signal.service, {"Export": method})


def _export(receiver: Receiver, signal: Signal) -> Callable[[bytes, Any], bytes]:
    def export(body: bytes, context: Any) -> bytes:
        try:
            return receiver.export(signal, body)
        except MalformedRequest as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except EngineError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"The rows could not be stored: {error}")
        raise AssertionError("abort raises")

    return export
