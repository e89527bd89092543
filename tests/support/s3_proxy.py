"""An S3 endpoint in front of the real one that refuses the requests it is told to refuse."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Refuse = Callable[[str, str], str | None]
"""Takes a request's method and path; gives S3's error code, or None to let it pass."""

_BY_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextmanager
def refusing(endpoint: str, refuse: Refuse) -> Iterator[str]:
    """The URL of an endpoint that passes on to `endpoint` what it does not refuse with a 403."""
    host = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "expect" in self.headers:  # boto3 would wait a second for this before each upload
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            code = refuse(self.command, self.path)
            if code is not None:
                self._answer(403, [("Content-Type", "application/xml")], _error(code))
                return
            upstream = http.client.HTTPConnection(host)
            try:
                headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() not in _BY_CONNECTION | {"expect"}
                }
                upstream.request(self.command, self.path, body, headers)
                response = upstream.getresponse()
                self._answer(response.status, response.getheaders(), response.read())
            finally:
                upstream.close()

        do_PUT = do_POST = do_DELETE = do_GET

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _BY_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests read the run's own log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
