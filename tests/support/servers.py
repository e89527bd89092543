"""Servers in processes of their own: free ports, health, and a friendly end."""

import signal
import socket
import subprocess
import time

import httpx


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_it_answers(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Wait until the URL is answered well, two minutes at most."""
    end = time.monotonic() + 120
    with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
        while time.monotonic() < end:
            assert server.poll() is None, "the server ended"
            try:
                if client.get(url, timeout=5).is_success:
                    return
            except httpx.TransportError:
                continue
    raise AssertionError("the server did not become healthy")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process to end, and make it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
