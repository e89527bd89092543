"""An S3 endpoint in front of the real one that makes the faults it is told to make."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_BY_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Request:
    """A request as it came; `path` is with its query, `key` without bucket and query, decoded."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def bucket(self) -> str:
        return urlsplit(self.path).path.split("/")[1]

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path.partition("/")[2].partition("/")[2])

    @property
    def reads(self) -> bool:
        """Whether it is GetObject."""
        return self.method == "GET" and self.key != ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Answer:
    """An answer; with `cut_after`, the connection breaks after so many bytes of the body."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | Iterable[bytes] = b""
    length: int | None = None
    cut_after: int | None = None


Forward = Callable[[], Answer]
Intercept = Callable[[Request, Forward], Answer | None]
"""Answers a request, by itself or with what the real endpoint says; None breaks the connection."""
Refuse = Callable[[str, str], str | None]
"""Takes a request's method and path; gives S3's error code, or None to let it pass."""


def error(code: str, status: int) -> Answer:
    """S3's answer for an error."""
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Answer(status, [("Content-Type", "application/xml")], body)


@contextmanager
def refusing(endpoint: str, refuse: Refuse) -> Iterator[str]:
    """The URL of an endpoint that passes on to `endpoint` what it does not refuse with a 403."""

    def intercept(request: Request, forward: Forward) -> Answer:
        code = refuse(request.method, request.path)
        return forward() if code is None else error(code, 403)

    with intercepting(endpoint, intercept) as url:
        yield url


@contextmanager
def intercepting(endpoint: str, intercept: Intercept) -> Iterator[str]:
    """The URL of an endpoint in front of `endpoint` that gives what `intercept` answers.

    `intercept` is called in a thread for each connection.
    """
    host = urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.headers.get("Expect"):
                self.send_response_only(100)
                self.end_headers()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            answer = intercept(request, lambda: _forward(host, request))
            if answer is None:
                self.close_connection = True
                return
            try:
                self._answer(answer)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_PUT = do_POST = do_DELETE = do_HEAD = do_GET

        def handle_expect_100(self) -> bool:
            return True  # answered above, by ourselves

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                """The client has gone, as those do that are killed."""

        def _answer(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers:
                if name.lower() not in _BY_CONNECTION:
                    self.send_header(name, value)
            blocks = [answer.body] if isinstance(answer.body, bytes) else answer.body
            length = len(answer.body) if isinstance(answer.body, bytes) else answer.length
            assert length is not None
            self.send_header("Content-Length", str(length))
            self.end_headers()
            left = length if answer.cut_after is None else answer.cut_after
            for block in blocks:
                self.wfile.write(block[:left])
                left -= len(block[:left])
            if answer.cut_after is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the tests read the run's own log."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
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


def _forward(host: str, request: Request) -> Answer:
    upstream = http.client.HTTPConnection(host)
    try:
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in _BY_CONNECTION | {"expect"}
        }
        upstream.request(request.method, request.path, request.body, headers)
        response = upstream.getresponse()
        body = response.read()
        length = response.getheader("Content-Length")
        # What a HEAD tells of is not there.
        size = int(length) if request.method == "HEAD" and length else len(body)
        answer = Answer(response.status, response.getheaders(), body)
        if request.method == "HEAD":
            answer.body, answer.length = (), size
        return answer
    finally:
        upstream.close()
