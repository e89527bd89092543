"""The logs bucket: listed, and read by version; never written."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO, cast

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from tenacity import (
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)
from urllib3.exceptions import HTTPError

from flows.errors import ObjectChanged
from flows.storage.s3_errors import error_code, explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_IN_MEMORY_BYTES = 32 * 2**20


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

    @contextmanager
    def opened(self, key: str, etag: str) -> Iterator[BinaryIO]:
        """The stored bytes of one object version, whole: in memory, or on disk when large.

        Raises:
            ObjectChanged: The bucket no longer holds this version.
            StorageError: The bucket cannot be read.
        """
        with explained(self.bucket, f"read the log object {key!r}"):
            spool = self._fetch(key, etag)
        with spool:
            yield spool

    @retry(
        retry=retry_if_exception_type((HTTPClientError, IncompleteReadError, HTTPError)),
        stop=stop_after_attempt(5),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        reraise=True,
    )
    def _fetch(self, key: str, etag: str) -> BinaryIO:
        # boto3 retries a refused request by itself; a connection that breaks in the middle of
        # the body is ours to retry.
        try:
            response = self._client.get_object(Bucket=self.bucket, Key=key, IfMatch=etag)
        except ClientError as error:
            if error_code(error) in ("NoSuchKey", "PreconditionFailed", "404", "412"):
                raise ObjectChanged(
                    f"The log object {key!r} was deleted or overwritten after it was listed."
                ) from None
            raise
        spool = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes
        try:
            shutil.copyfileobj(response["Body"], spool, 2**20)
            if spool.tell() != response["ContentLength"]:
                raise IncompleteReadError(
                    actual_bytes=spool.tell(), expected_bytes=response["ContentLength"]
                )
        except BaseException:
            spool.close()
            raise
        spool.seek(0)
        return cast(BinaryIO, spool)
