"""The logs bucket: listed, and read by version; never written."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from flows.storage.listing import list_objects
from flows.storage.objects import ObjectStream, read_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")


class LogsBucket:
    """Read access to the objects under one prefix of a bucket."""

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self._client, self.bucket, self.prefix = client, bucket, prefix

    def list(self, prefix: str) -> Iterator[tuple[str, str, int]]:
        """(key, ETag, bytes) of each object under the bucket's prefix and this one.

        Raises:
            StorageError: The bucket is missing, forbidden or not reachable, or is not listed as S3 lists it.
        """
        found = list_objects(self._client, self.bucket, self.prefix + prefix, "list the logs")
        return ((key, one.tag, one.size) for key, one in found.items())

    def read(self, key: str, etag: str, size: int, work: Callable[[ObjectStream], T]) -> T:
        """Read the stored bytes of one object version; the work starts again if they break off.

        Args:
            work: What to do with the bytes; it may be called several times.

        Raises:
            ObjectChanged: The bucket no longer contains this version.
            StorageError: The bucket cannot be read.
        """
        label = f"the log object {key!r}"
        return read_object(self._client, self.bucket, key, label, work, etag, size)
