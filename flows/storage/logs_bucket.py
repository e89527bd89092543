"""The logs bucket: listed, and read by version; never written."""

from collections.abc import Iterator
from io import BufferedReader
from typing import TYPE_CHECKING

from flows.storage.bodies import open_object
from flows.storage.s3_errors import explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class LogsBucket:
    """Read access to the objects under one prefix of a bucket."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client, self.bucket, self.prefix = client, bucket, prefix

    def list(self, prefix: str) -> Iterator[tuple[str, str, int]]:
        """Yield (key, ETag, bytes) of each object below the bucket's prefix and this one.

        Raises:
            StorageError: The bucket is missing, forbidden or not reachable.
        """
        pages = self._client.get_paginator("list_objects_v2")
        with explained(self.bucket, "list the logs"):
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + prefix):
                for item in page.get("Contents", []):
                    yield item["Key"], item["ETag"].strip('"'), item["Size"]

    def opened(self, key: str, etag: str, size: int | None = None) -> BufferedReader:
        """The stored bytes of one object version, as a stream.

        Args:
            key: The object's key.
            etag: The listed version.
            size: The listed bytes, which the stream holds exactly.

        Raises:
            ObjectChanged: The bucket no longer holds this version; also later, from a read.
            StorageError: The bucket cannot be read; also later, from a read.
        """
        return open_object(self._client, self.bucket, key, f"the log object {key!r}", etag, size)
