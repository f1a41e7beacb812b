"""The same provider on a socket of loopback, in a process of its own."""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

from benchmarks.peers.work import Provider

_PROVIDER = Provider()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["content-length"]))
        made = _PROVIDER.answer(self.path, request)
        self.send_response(made.status)
        self.send_header("content-type", made.kind)
        self.send_header("content-length", str(len(made.body)))
        self.end_headers()
        self.wfile.write(made.body)

    def log_message(self, *arguments: object) -> None:
        """Nothing: it would be a line a call."""


def _run(told: Connection) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    told.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of a server that lives as long as the block."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.terminate()
        process.join()
