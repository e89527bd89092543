"""An S3 endpoint over HTTP in a process of its own: `python -m tests.benchmarks.endpoint PORT`."""

import logging
import signal
import sys

from moto.server import ThreadedMotoServer

if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=int(sys.argv[1]), verbose=False)
    server.start()
    signal.sigwait([signal.SIGINT, signal.SIGTERM])
    server.stop()
