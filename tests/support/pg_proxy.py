"""A proxy in front of the real PostgreSQL, in which tests make faults."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import URL, make_url

_LENGTH = struct.Struct("!I")
_SSL_REQUEST, _GSS_REQUEST, _CANCEL_REQUEST = 80877103, 80877104, 80877102


class Cut(Exception):
    """Raised by a watcher to break the connection at this place."""


@dataclass(frozen=True)
class Message:
    """A message of the client: `Q` with its SQL, `d` and `c` of a COPY, `X` at the end."""

    kind: str
    text: str = ""

    def __str__(self) -> str:
        sql = "\n".join(line for line in self.text.splitlines() if not line.startswith("--"))
        return f"{self.kind} {' '.join(sql.split())[:60]}"


class Watch(Protocol):
    """Sees each message of a client; either method may block, or raise `Cut`."""

    def before(self, message: Message) -> None:
        """The proxy has the message; the server does not have it yet."""

    def after(self, message: Message) -> None:
        """The server has answered in full; the client does not have the answer yet."""


class Quiet:
    """A watcher that lets everything through."""

    def before(self, message: Message) -> None:
        """Nothing happens."""

    after = before


def in_russian(encoding: str) -> Callable[[bytes], bytes]:
    """Errors with the same codes in Russian words: the tests' server knows only English."""

    def translate(raw: bytes) -> bytes:
        fields = {field[:1]: field[1:] for field in raw[5:-2].split(b"\0")}
        words = re.sub("[a-z]+", "ошибка", fields[b"M"].decode(), count=1)
        fields |= {b"S": "ВАЖНО".encode(encoding), b"M": words.encode(encoding)}
        body = b"".join(kind + text + b"\0" for kind, text in fields.items()) + b"\0"
        return raw[:1] + _LENGTH.pack(len(body) + 4) + body

    return translate


@contextmanager
def pg_proxy(url: str, watch: Watch, translate: Callable[[bytes], bytes] = bytes) -> Iterator[str]:
    """The URL of a server that forwards to that of `url` what the watcher lets through, with errors translated."""
    target = make_url(url)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    ended = threading.Event()

    def accept() -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                client, _ = listener.accept()
                threading.Thread(target=_serve, args=(client, target, watch, translate), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        host, port = listener.getsockname()
        there = target.difference_update_query(["host"]).set(host=host, port=port)
        yield there.render_as_string(hide_password=False)
    finally:
        ended.set()
        thread.join()
        listener.close()


def _connect(target: URL) -> socket.socket:
    host, port = target.host or target.query.get("host"), target.port or 5432
    if str(host).startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(f"{host}/.s.PGSQL.{port}")
        except OSError:
            server.close()
            raise
        return server
    return socket.create_connection((str(host), port))


def _serve(client: socket.socket, target: URL, watch: Watch, translate: Callable[[bytes], bytes]) -> None:
    with client, suppress(OSError, EOFError), _connect(target) as server:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not _greet(client, server):
            return
        _Conversation(client, server, watch, translate).hold()


def _greet(client: socket.socket, server: socket.socket) -> bool:
    """Forward the start of a connection; False if it was only a request to cancel."""
    while True:
        length = _exactly(client, 4)
        packet = _exactly(client, _LENGTH.unpack(length)[0] - 4)
        code = _LENGTH.unpack(packet[:4])[0]
        if code in (_SSL_REQUEST, _GSS_REQUEST):
            client.sendall(b"N")
            continue
        server.sendall(length + packet)
        if code == _CANCEL_REQUEST:
            server.recv(1)
            return False
        return True


class _Conversation:
    """One connection: messages of the client one way, and of the server the other way."""

    def __init__(
        self, client: socket.socket, server: socket.socket, watch: Watch, translate: Callable[[bytes], bytes]
    ) -> None:
        self.client, self.server, self.watch, self.translate = client, server, watch, translate
        self.asked: list[Message] = []

    def hold(self) -> None:
        answers = threading.Thread(target=self._ended(self._answers), daemon=True)
        answers.start()
        self._ended(self._questions)()
        answers.join()

    def _ended(self, part: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            with suppress(OSError, EOFError, Cut):
                part()
            for end in (self.client, self.server):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        return run

    def _questions(self) -> None:
        while True:
            kind, raw = _message(self.client)
            text = raw[5:-1].decode(errors="replace") if kind == "Q" else ""
            message = Message(kind, text)
            if kind in "QdcX":
                self.watch.before(message)
            if kind in "Qc":
                self.asked.append(message)
            self.server.sendall(raw)

    def _answers(self) -> None:
        while True:
            kind, raw = _message(self.server)
            # Ready for the next query, or for the rows of a COPY: the question is answered.
            if kind in "ZG" and self.asked:
                message = self.asked.pop(0)
                self.watch.after(message)
            self.client.sendall(self.translate(raw) if kind == "E" else raw)


def _message(source: socket.socket) -> tuple[str, bytes]:
    head = _exactly(source, 5)
    return chr(head[0]), head + _exactly(source, _LENGTH.unpack(head[1:])[0] - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        block = source.recv(min(size - len(data), 2**20))
        if not block:
            raise EOFError
        data += block
    return bytes(data)
