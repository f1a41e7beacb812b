"""A proxy in front of an OTLP receiver that delivers requests and then loses the replies."""

import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class LossyProxy:
    """Forwards everything to `target`; the replies of the first `lose` requests never come."""

    def __init__(self, target: str, *, lose: int) -> None:
        self.forwarded = 0
        self._left = lose
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {
                    name: self.headers[name] for name in ("content-type", "content-encoding")
                }
                request = urllib.request.Request(target + self.path, body, headers)  # noqa: S310 - our own loopback address
                with urllib.request.urlopen(request) as reply:  # noqa: S310 - as above
                    answer = reply.read()
                if proxy._loses():
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _loses(self) -> bool:
        with self._lock:
            self.forwarded += 1
            self._left -= 1
            return self._left >= 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
