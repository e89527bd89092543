"""Results storage: small records and Parquet files by name, in a bucket or in a folder."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig

from flows.errors import StorageError
from flows.storage.bodies import ObjectMissing, open_object
from flows.storage.s3_errors import explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ONE_REQUEST = TransferConfig(multipart_threshold=5 * 2**30)


class ResultsStorage(Protocol):
    """Named bytes. A write is whole or not at all, and replaces what the name held."""

    def list(self, prefix: str) -> dict[str, int]:
        """Bytes by name, of the names that start with the prefix."""

    def read(self, name: str) -> bytes | None:
        """The bytes, or None where there are none."""

    def write(self, name: str, content: bytes) -> None:
        """Store the bytes."""

    def delete(self, name: str) -> None:
        """Forget the name, where there is one."""

    def upload(self, source: Path, name: str) -> None:
        """Store a file."""

    def download(self, name: str, target: Path) -> None:
        """Fetch a file."""


class BucketResults:
    """Results storage under one prefix of an S3 bucket."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix

    def list(self, prefix: str) -> dict[str, int]:
        """Bytes by name."""
        pages = self._client.get_paginator("list_objects_v2")
        with explained(self._bucket, "list the results storage"):
            return {
                item["Key"][len(self._prefix) :]: item["Size"]
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
                for item in page.get("Contents", [])
            }

    def read(self, name: str) -> bytes | None:
        """The bytes, or None."""
        try:
            with self._opened(name) as stream:
                return stream.read()
        except ObjectMissing:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Store the bytes."""
        with explained(self._bucket, f"write {name!r} to the results storage"):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)

    def delete(self, name: str) -> None:
        """Forget the name."""
        with explained(self._bucket, f"delete {name!r} from the results storage"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def upload(self, source: Path, name: str) -> None:
        """Store a file, in one request up to 5 GiB: a killed run leaves no parts of it."""
        with explained(self._bucket, f"write {name!r} to the results storage"):
            try:
                self._client.upload_file(
                    str(source), self._bucket, self._prefix + name, Config=_ONE_REQUEST
                )
            except S3UploadFailedError as error:  # boto3 wraps the refusal that `explained` knows
                raise error.__context__ or error from None

    def download(self, name: str, target: Path) -> None:
        """Fetch a file."""
        with (
            self._opened(name) as stream,
            _files_explained("copy {} from", name, target.parent),
            target.open("wb") as file,
        ):
            shutil.copyfileobj(stream, file, 2**20)

    def _opened(self, name: str) -> BufferedReader:
        label = f"the result {name!r} in the results storage"
        return open_object(self._client, self._bucket, self._prefix + name, label)


@contextmanager
def _files_explained(action: str, name: str, folder: Path) -> Iterator[None]:
    """Turn an error of the file system into a `StorageError` that names the folder."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"Cannot {action.format(repr(name))} the results storage in {str(folder)!r}: "
            f"{error.strerror or type(error).__name__}. Free space or correct the folder's "
            "permissions, and run again."
        ) from None


class FolderResults:
    """Results storage in a folder of this machine; folders are made on the way."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self, prefix: str) -> dict[str, int]:
        """Bytes by name."""
        # Only the folder part of the prefix is walked.
        base = self._root / prefix.rpartition("/")[0]
        found: dict[str, int] = {}
        with _files_explained("list", prefix, self._root):
            # Path.rglob and os.walk pass over folders that they may not read.
            for folder, _, files in os.walk(base, onerror=_raise_unless_missing):
                for file in files:
                    path = Path(folder, file)
                    name = path.relative_to(self._root).as_posix()
                    if name.startswith(prefix) and not file.startswith("."):
                        found[name] = path.stat().st_size
        return found

    def read(self, name: str) -> bytes | None:
        """The bytes, or None."""
        with _files_explained("read {} from", name, self._root):
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Store the bytes."""
        self._replace(name, lambda path: path.write_bytes(content))

    def delete(self, name: str) -> None:
        """Forget the name."""
        with _files_explained("delete {} from", name, self._root):
            (self._root / name).unlink(missing_ok=True)

    def upload(self, source: Path, name: str) -> None:
        """Store a file."""
        self._replace(name, lambda path: shutil.copyfile(source, path))

    def download(self, name: str, target: Path) -> None:
        """Fetch a file."""
        with _files_explained("read {} from", name, self._root):
            shutil.copyfile(self._root / name, target)

    def _replace(self, name: str, make: Callable[[Path], object]) -> None:
        target = self._root / name
        part = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:8]}")
        with _files_explained("write {} to", name, self._root):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                make(part)
                os.replace(part, target)
            finally:
                part.unlink(missing_ok=True)


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
