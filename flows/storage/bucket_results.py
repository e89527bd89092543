"""Results storage in a bucket."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flows.storage.folder_results import files_explained
from flows.storage.listing import list_objects
from flows.storage.objects import ObjectMissing, ObjectStream, read_object
from flows.storage.results import Stored
from flows.storage.s3_errors import explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")


class BucketResults:
    """Results storage under one prefix of an S3 bucket; `ResultsStorage` describes the methods."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client, self._bucket, self._prefix = client, bucket, prefix

    def list(self, prefix: str) -> dict[str, Stored]:
        found = list_objects(self._client, self._bucket, self._prefix + prefix, "list the results storage")
        return {key[len(self._prefix) :]: one for key, one in found.items()}

    def read(self, name: str) -> bytes | None:
        try:
            return self._read(name, lambda stream: b"".join(iter(stream.read, b"")))
        except ObjectMissing:
            return None

    def write(self, name: str, content: bytes) -> None:
        with explained(self._bucket, f"write {name!r} to the results storage"):
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)

    def delete(self, name: str) -> None:
        with explained(self._bucket, f"delete {name!r} from the results storage"):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def upload(self, source: Path, name: str) -> None:
        # In one request, up to S3's limit of 5 GiB: a killed run leaves no parts of an upload.
        with explained(self._bucket, f"write {name!r} to the results storage"), source.open("rb") as file:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=file)

    def download(self, name: str, target: Path) -> bool:
        def save(stream: ObjectStream) -> None:
            with files_explained("copy {} from", name, target.parent), target.open("wb") as file:
                shutil.copyfileobj(stream, file, 2**20)

        try:
            self._read(name, save)
        except ObjectMissing:
            return False
        return True

    def _read(self, name: str, work: Callable[[ObjectStream], T]) -> T:
        label = f"the result {name!r} in the results storage"
        return read_object(self._client, self._bucket, self._prefix + name, label, work)
