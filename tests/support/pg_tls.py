"""TLS before the tests' PostgreSQL, which is built without it: certificates, and a front.

The front answers a client's SSLRequest as told, asks for the password in clear, as a server that
was taken over would, and passes the rest on to the real database. It notes what it was told.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104
_ASK_PASSWORD = b"R" + struct.pack("!ii", 8, 3)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the tests' own, and what it signed."""

    folder: Path
    name: str

    def __post_init__(self) -> None:
        self._sign("ca", None)

    @property
    def root(self) -> Path:
        """Its own certificate, for `sslrootcert`."""
        return self.folder / f"{self.name}-ca.pem"

    def server(self, *hosts: str) -> Path:
        """A file with a certificate for these hosts, and its key."""
        names: list[x509.GeneralName] = [
            x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts
        ]
        return self._sign(hosts[0], x509.SubjectAlternativeName(names))

    def _sign(self, subject: str, hosts: x509.SubjectAlternativeName | None) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        signer, now = key, datetime.now(UTC)
        if hosts is not None:
            loaded = serialization.load_pem_private_key(self.root.read_bytes(), None)
            assert isinstance(loaded, ec.EllipticCurvePrivateKey)
            signer = loaded
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named(f"{self.name} authority" if hosts is None else subject))
            .issuer_name(_named(f"{self.name} authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=hosts is None, path_length=None), critical=True)
        )
        if hosts is not None:
            builder = builder.add_extension(hosts, critical=False)
        pem = serialization.Encoding.PEM
        path = self.folder / f"{self.name}-{subject}.pem"
        path.write_bytes(
            builder.sign(signer, hashes.SHA256()).public_bytes(pem)
            + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return path


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass
class Front:
    """Its port, and what the front was told: the TLS version of each connection whose handshake came to its
    end, the start-up messages that came without TLS, and every password that it was given.
    """

    port: int
    encrypted: list[str] = field(default_factory=list)
    in_clear: list[bytes] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)


@contextmanager
def front(socket_folder: str, certificate: Path | None) -> Iterator[Front]:
    """A server before the database whose Unix socket lies in the folder; without TLS if without a certificate."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    told = Front(listener.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    def answer(client: socket.socket) -> None:
        with suppress(OSError, EOFError):
            one = client
            try:
                body = _message(one)
                while len(body) == 4 and struct.unpack("!i", body) == (_GSS_REQUEST,):
                    one.sendall(b"N")
                    body = _message(one)
                if len(body) == 4 and struct.unpack("!i", body) == (_SSL_REQUEST,):
                    one.sendall(b"N" if context is None else b"S")
                    if context is not None:
                        # A client that does not trust the certificate ends here.
                        one = context.wrap_socket(client, server_side=True)
                        # With TLS 1.3 it tells so only after the server's end of the handshake.
                        body = _message(one)
                        told.encrypted.append(one.version() or "")
                    else:
                        body = _message(one)
                        told.in_clear.append(body)
                else:
                    told.in_clear.append(body)
                one.sendall(_ASK_PASSWORD)
                assert _exactly(one, 1) == b"p"
                told.passwords.append(_message(one).rstrip(b"\0").decode())
                with socket.socket(socket.AF_UNIX) as database:
                    database.connect(f"{socket_folder}/.s.PGSQL.5432")
                    database.sendall(struct.pack("!i", len(body) + 4) + body)
                    back = threading.Thread(target=_pass_on, args=(database, one), daemon=True)
                    back.start()
                    _pass_on(one, database)
                    back.join()
            finally:
                one.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _message(source: socket.socket) -> bytes:
    [length] = struct.unpack("!i", _exactly(source, 4))
    return _exactly(source, length - 4)


def _exactly(source: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        more = source.recv(length - len(content))
        if not more:
            raise EOFError
        content += more
    return content


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(2**16):
            target.sendall(content)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
