"""The mock provider as a local HTTP server."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from spanledger.testing._http import (
    ClientGone,
    Connection,
    HttpRequest,
    LoopbackServer,
    ServerStopped,
    chunk,
    head,
)
from spanledger.testing.providers._script import BehaviourSource, Exchange, ProviderScript


class MockProvider(ProviderScript):
    """A local server that speaks the formats of many providers, each under its own paths.

    A context manager.

    ``port=0`` takes a free port. Listens on 127.0.0.1 only, without authentication: any key
    is accepted. How it answers: `ProviderScript`.
    """

    def __init__(
        self,
        default: BehaviourSource | None = None,
        *,
        port: int = 0,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(default, wall_clock=wall_clock)
        self._server = LoopbackServer(self._handle, port=port, name="mock-provider")

    def start(self) -> Self:
        """Listen. Raises `OSError` if the given port is taken."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Refuse and break off connections; replies under way end. Can be started again."""
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return self._server.url

    @property
    def openai_base_url(self) -> str:
        """For ``OpenAI(base_url=...)`` and ``OPENAI_BASE_URL``."""
        return f"{self.url}/v1"

    @property
    def anthropic_base_url(self) -> str:
        """For ``Anthropic(base_url=...)`` and ``ANTHROPIC_BASE_URL``, which adds /v1 itself."""
        return self.url

    @property
    def google_base_url(self) -> str:
        """For ``genai.Client(http_options={"base_url": ...})``; Gemini and Vertex AI alike."""
        return self.url

    @property
    def bedrock_endpoint_url(self) -> str:
        """For ``boto3.client("bedrock-runtime", endpoint_url=...)``."""
        return self.url

    @property
    def mistral_server_url(self) -> str:
        """For ``Mistral(server_url=...)``."""
        return f"{self.url}/mistral"

    @property
    def cohere_base_url(self) -> str:
        """For ``cohere.ClientV2(base_url=...)`` and ``cohere.Client(base_url=...)``."""
        return self.url

    @property
    def ollama_host(self) -> str:
        """For ``ollama.Client(host=...)`` and ``OLLAMA_HOST``."""
        return self.url

    def _handle(self, connection: Connection, http: HttpRequest) -> None:
        exchange = self.receive(http.method, http.path, http.headers, http.body)
        try:
            _send_reply(connection, exchange)
        except ClientGone:
            exchange.client_gone()
            connection.close()
        except ServerStopped:
            connection.close()
        finally:
            exchange.ended()


def _send_reply(connection: Connection, exchange: Exchange) -> None:
    rendered = exchange.rendered
    if rendered.hang_s is not None:
        connection.wait(rendered.hang_s)
        connection.close()
        return
    if rendered.delay_s:
        connection.wait(rendered.delay_s)
    exchange.started()
    if rendered.stream:
        _send_stream(connection, exchange)
    else:
        _send_whole(connection, exchange)
    if rendered.ending != "complete":
        connection.close(reset=rendered.ending == "reset")


def _send_whole(connection: Connection, exchange: Exchange) -> None:
    rendered = exchange.rendered
    body = rendered.parts[0]
    length = len(body) if rendered.full_length is None else rendered.full_length
    headers = {**rendered.headers, "content-length": str(length)}
    exchange.finishing()
    connection.send(head(rendered.status, headers) + body)


def _send_stream(connection: Connection, exchange: Exchange) -> None:
    rendered = exchange.rendered
    headers = {**rendered.headers, "transfer-encoding": "chunked", "cache-control": "no-cache"}
    connection.send(head(rendered.status, headers))
    for number, part in enumerate(rendered.parts, 1):
        if number > 1 and rendered.part_delay_s:
            connection.wait(rendered.part_delay_s)
        connection.check()
        exchange.event_sent()
        connection.send(chunk(part) + _end_of(exchange, number))


def _end_of(exchange: Exchange, number: int) -> bytes:
    """The end of the body, to go out with the last event of a stream that is not cut."""
    if number < len(exchange.rendered.parts):
        return b""
    exchange.finishing()
    return chunk(b"") if exchange.rendered.ending == "complete" else b""
