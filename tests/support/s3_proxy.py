"""An S3 endpoint in front of the real one, whose requests and answers a test may alter.

An interceptor is called for each request, in the request's own thread: it may pass it on and
alter the answer, block, count, kill a process, or answer by itself.
"""

from __future__ import annotations

import http.client
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from urllib.parse import unquote, urlsplit

_BY_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Request:
    """A request as it came; what an interceptor changes in it is what is passed on."""

    method: str
    path: str  # with its query, as it was sent
    headers: dict[str, str]
    body: bytes

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return urlsplit(self.path).path.split("/")[1]

    @property
    def key(self) -> str:
        """The object's key; empty where the bucket itself is asked for."""
        return unquote(urlsplit(self.path).path.partition("/")[2].partition("/")[2])

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Answer:
    """What to answer.

    Attributes:
        body: Bytes, or pieces made on the way.
        length: The Content-Length to announce; that of the body, unless it is generated.
        cut_after: Break the connection after so many bytes of the body.
        reset: Break it with a reset, not by closing it.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterator[bytes] = b""
    length: int | None = None
    cut_after: int | None = None
    reset: bool = False


Forward = Callable[[], Answer]
Intercept = Callable[[Request, Forward], Answer | None]
"""Answers a request, by itself or with what the real endpoint says; None breaks the connection."""
Refuse = Callable[[str, str], str | None]
"""Takes a request's method and path; gives S3's error code, or None to let it pass."""


@contextmanager
def intercepting(endpoint: str, intercept: Intercept) -> Iterator[str]:
    """The URL of an endpoint where `intercept` answers, with the one behind it at hand."""
    host = urlsplit(endpoint).netloc

    def forward(request: Request) -> Answer:
        upstream = http.client.HTTPConnection(host)
        try:
            headers = {
                name: value
                for name, value in request.headers.items()
                if name.lower() not in _BY_CONNECTION | {"expect"}
            }
            upstream.request(request.method, request.path, request.body, headers)
            response = upstream.getresponse()
            length = int(response.headers.get("Content-Length") or 0)
            body = response.read()
            # The answer to a HEAD announces a length without a body.
            known = length if request.method == "HEAD" else None
            return Answer(response.status, dict(response.getheaders()), body, known)
        finally:
            upstream.close()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            try:
                answer = intercept(request, lambda: forward(request))
                if answer is None:
                    self.close_connection = True
                    return
                self._answer(answer)
            except OSError:
                self.close_connection = True  # the client went away, or the endpoint behind

        do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

        def _answer(self, answer: Answer) -> None:
            whole = isinstance(answer.body, bytes)
            pieces = iter((answer.body,)) if isinstance(answer.body, bytes) else answer.body
            length = answer.length
            if length is None:
                assert isinstance(answer.body, bytes), "a generated body needs a length"
                length = len(answer.body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in _BY_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            if answer.cut_after is None and whole:
                # In one packet with the head.
                self._headers_buffer: list[bytes]
                head = b"".join([*self._headers_buffer, b"\r\n"])
                self._headers_buffer = []
                self.wfile.write(b"".join(chain((head,), pieces)))
                return
            self.end_headers()
            left = answer.cut_after
            for piece in pieces:
                self.wfile.write(piece if left is None else piece[:left])
                if left is not None:
                    left -= min(left, len(piece))
                    if left == 0:
                        break
            if answer.cut_after is not None:
                self.close_connection = True
            if answer.reset:
                now = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                os.close(self.connection.detach())

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client has gone, as those do that are killed
                super().handle()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests read the run's own log."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True  # a client may keep its connection, or an interceptor block
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def refusing(endpoint: str, refuse: Refuse) -> Iterator[str]:
    """The URL of an endpoint that passes on to `endpoint` what it does not refuse with a 403."""

    def intercept(request: Request, forward: Forward) -> Answer:
        code = refuse(request.method, request.path)
        return forward() if code is None else error(403, code)

    with intercepting(endpoint, intercept) as url:
        yield url


def error(status: int, code: str) -> Answer:
    """S3's answer of an error."""
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Answer(status, {"Content-Type": "application/xml"}, body)
