"""Results storage: small records and Parquet files by name, in a bucket or in a folder."""

import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from flows.errors import StorageError
from flows.storage.s3_errors import error_code, explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Stored:
    """Of a stored name: its bytes, and when it was last written."""

    size: int
    modified: datetime


class ResultsStorage(Protocol):
    """Named bytes. A write is whole or not at all, and replaces what the name held."""

    def list(self, prefix: str) -> dict[str, Stored]:
        """The names that start with the prefix."""

    def read(self, name: str) -> bytes | None:
        """The bytes, or None where there are none."""

    def write(self, name: str, content: bytes) -> None:
        """Store the bytes."""

    def delete(self, name: str) -> None:
        """Forget the name, where there is one."""

    def upload(self, source: Path, name: str) -> None:
        """Store a file."""

    def download(self, name: str, target: Path) -> bool:
        """Fetch a file; False where there is none."""


class BucketResults:
    """Results storage under one prefix of an S3 bucket."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix

    def list(self, prefix: str) -> dict[str, Stored]:
        """The names that start with the prefix."""
        pages = self._client.get_paginator("list_objects_v2")
        with explained(self._bucket, "list the results storage"):
            return {
                item["Key"][len(self._prefix) :]: Stored(item["Size"], item["LastModified"])
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
                for item in page.get("Contents", [])
            }

    def read(self, name: str) -> bytes | None:
        """The bytes, or None."""
        with explained(self._bucket, f"read {name!r} from the results storage"):
            try:
                response = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            except ClientError as error:
                if error_code(error) in ("NoSuchKey", "404"):
                    return None
                raise
            return response["Body"].read()

    def write(self, name: str, content: bytes) -> None:
        """Store the bytes."""
        with explained(self._bucket, f"write {name!r} to the results storage"):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)

    def delete(self, name: str) -> None:
        """Forget the name."""
        with explained(self._bucket, f"delete {name!r} from the results storage"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def upload(self, source: Path, name: str) -> None:
        """Store a file; a large one in parts, which S3 puts together at the end."""
        # Not upload_file: it wraps what S3 answers in an error of another family.
        with (
            explained(self._bucket, f"write {name!r} to the results storage"),
            source.open("rb") as file,
        ):
            self._client.upload_fileobj(file, self._bucket, self._prefix + name)

    def download(self, name: str, target: Path) -> bool:
        """Fetch a file; False where there is none."""
        with explained(self._bucket, f"read {name!r} from the results storage"):
            try:
                response = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            except ClientError as error:
                if error_code(error) in ("NoSuchKey", "404"):
                    return False
                raise
            with target.open("wb") as file:
                shutil.copyfileobj(response["Body"], file, 2**20)
            return True


_PART_KEPT = timedelta(days=1)  # longer than any file takes to be written


class FolderResults:
    """Results storage in a folder of this machine; folders are made on the way."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self, prefix: str) -> dict[str, Stored]:
        """The names that start with the prefix; parts that killed runs left are taken away."""
        # Only the folder part of the prefix is walked.
        base = self._root / prefix.rpartition("/")[0]
        found = {}
        for path in base.rglob("*"):
            name = path.relative_to(self._root).as_posix()
            if not name.startswith(prefix) or not path.is_file():
                continue
            stat = path.stat()
            modified = datetime.fromtimestamp(stat.st_mtime, timezone.utc)
            if not path.name.startswith("."):
                found[name] = Stored(stat.st_size, modified)
            elif modified < datetime.now(timezone.utc) - _PART_KEPT:
                path.unlink(missing_ok=True)
        return found

    def read(self, name: str) -> bytes | None:
        """The bytes, or None."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Store the bytes."""
        self._replace(name, lambda path: path.write_bytes(content))

    def delete(self, name: str) -> None:
        """Forget the name."""
        (self._root / name).unlink(missing_ok=True)

    def upload(self, source: Path, name: str) -> None:
        """Store a file."""
        self._replace(name, lambda path: shutil.copyfile(source, path))

    def download(self, name: str, target: Path) -> bool:
        """Fetch a file; False where there is none."""
        try:
            shutil.copyfile(self._root / name, target)
        except FileNotFoundError:
            return False
        return True

    def _replace(self, name: str, make: Callable[[Path], object]) -> None:
        target = self._root / name
        part = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex[:8]}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                make(part)
                os.replace(part, target)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"Cannot write {name!r} to the results storage in {str(self._root)!r}: "
                f"{error.strerror}. Free space or correct the folder's permissions, and run again."
            ) from None
