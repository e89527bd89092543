"""An object's bytes as a stream that outlives broken connections."""

import io
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from tenacity import (
    retry,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)
from urllib3.exceptions import HTTPError

from flows.errors import ObjectChanged, StorageError
from flows.stopping import pause
from flows.storage.s3_errors import error_code, explained

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

# What one read asks of the connection, and so what a break loses at most and counts as progress.
READ_BYTES = 2**20
FAILURES = 5


class ObjectMissing(ObjectChanged):
    """There is no object of the key."""


class _Broken(Exception):
    """The body ended, or stood still, before its end."""


def open_object(
    client: "S3Client",
    bucket: str,
    key: str,
    name: str,
    etag: str | None = None,
    size: int | None = None,
) -> io.BufferedReader:
    """One version of an object as a stream; a broken one goes on from where it was.

    botocore retries requests that get no answer or one that asks for it; a body that breaks is
    retried here, and given up after five failures without a byte in between.

    Args:
        client: The client to ask.
        bucket: The bucket's name.
        key: The object's key.
        name: What it is called in messages, such as `the log object 'a'`.
        etag: The version; that of the first answer, unless it is given.
        size: The version's bytes; those of the first answer, unless they are given.

    Raises:
        ObjectChanged: The bucket does not hold this version; also later, from a read.
        StorageError: The bucket cannot be read; also later, from a read.
    """
    raw = _Body(client, bucket, key, name, etag, size)
    try:
        raw.start()
    except BaseException:
        raw.close()
        raise
    return io.BufferedReader(raw, READ_BYTES)


class _Body(io.RawIOBase):
    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        key: str,
        name: str,
        etag: str | None,
        size: int | None,
    ) -> None:
        self._client, self._bucket, self._key, self._name = client, bucket, key, name
        self._etag, self._size = etag, size
        self._position = 0
        self._body: StreamingBody | None = None

    def start(self) -> None:
        """Ask for the object, so that an error of the request is met when it is opened."""
        with explained(self._bucket, f"read {self._name}"):
            self._body = self._asked()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def read(self, size: int = -1) -> bytes:
        """At most `READ_BYTES`, as the connection has handed them over, but for a negative size."""
        if size < 0:
            return self.readall()
        size = min(size, READ_BYTES)
        if not size or self._position == self._size:
            return b""
        with explained(self._bucket, f"read {self._name}"):
            try:
                content = self._once(size)
            except _Broken as first:
                content = self._tried_again(size, first)
        self._position += len(content)
        return content

    def _tried_again(self, size: int, first: _Broken) -> bytes:
        try:
            return self._some(size, [first])
        except _Broken as broken:
            raise StorageError(
                f"Cannot read {self._name}: the bucket {self._bucket!r} broke off {FAILURES} "
                f"times in a row at byte {self._position:,} of {self._total()} "
                f"({broken}). Nothing was published: check the network and the endpoint, "
                "and run the same id again."
            ) from None

    def close(self) -> None:
        self._drop()
        super().close()

    @retry(
        retry=retry_if_exception_type(_Broken),
        stop=stop_after_attempt(FAILURES),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        sleep=pause,
        reraise=True,
    )
    def _some(self, size: int, failed: list[_Broken]) -> bytes:
        """As `_once`; an attempt that has failed already is the first, for tenacity's bookkeeping
        takes a tenth of a millisecond even where nothing fails."""
        if failed:
            raise failed.pop()
        return self._once(size)

    def _once(self, size: int) -> bytes:
        """The next bytes, at least one; none at the end of an object of unknown size."""
        if self._body is None:
            self._body = self._asked()
        try:
            content = self._body.read(size)
            if not content and self._size is not None:
                raise _Broken("the answer was too short")
            return content
        except (HTTPClientError, IncompleteReadError, HTTPError) as error:
            self._drop()
            raise _Broken(type(error).__name__) from None
        except BaseException:
            self._drop()
            raise

    def _asked(self) -> "StreamingBody":
        """The body from the position on."""
        start = self._position
        asked: Any = {"Bucket": self._bucket, "Key": self._key}
        if self._etag is not None:
            asked["IfMatch"] = self._etag
        if start:
            asked["Range"] = f"bytes={start}-"
        try:
            answer = self._client.get_object(**asked)
        except ClientError as error:
            self._raise_if_gone(error_code(error))
            raise
        body = answer["Body"]
        ranged = answer["ResponseMetadata"]["HTTPStatusCode"] == 206
        try:
            self._check(answer.get("ETag"), answer.get("ContentRange") if ranged else None)
            # An answer without a length ends where HTTP says so.
            length = answer.get("ContentLength")
            total = None if length is None else length + (start if ranged else 0)
            if self._size is None:
                self._size = total
            elif total is not None and total > self._size:
                raise StorageError(
                    f"Cannot read {self._name}: the bucket {self._bucket!r} answers with "
                    f"{total:,} bytes for a version of {self._size:,}. Nothing was published: "
                    "check the endpoint, and run the same id again."
                )
            if start and not ranged:  # the server knows no ranges
                self._skip(body, start)
        except BaseException:
            body.close()
            raise
        return body

    def _check(self, etag: str | None, content_range: str | None) -> None:
        if etag is not None:
            if self._etag is None:
                self._etag = etag
            elif etag.strip('"') != self._etag.strip('"'):  # the server knows no If-Match
                self._raise_if_gone("PreconditionFailed")
        if content_range is not None and not content_range.startswith(f"bytes {self._position}-"):
            raise StorageError(
                f"Cannot read {self._name}: the bucket {self._bucket!r} answers with other bytes "
                f"({content_range}) than were asked for. Nothing was published: check the "
                "endpoint, and run the same id again."
            )

    def _raise_if_gone(self, code: str) -> None:
        kinds: dict[str, type[ObjectChanged]] = {"NoSuchKey": ObjectMissing, "404": ObjectMissing}
        kinds |= {"PreconditionFailed": ObjectChanged, "412": ObjectChanged}
        if code in kinds:
            raise kinds[code](
                f"{self._name[0].upper()}{self._name[1:]} was deleted or overwritten after it was "
                "listed."
            ) from None

    @staticmethod
    def _skip(body: "StreamingBody", count: int) -> None:
        try:
            while count:
                skipped = len(body.read(min(count, READ_BYTES)))
                if not skipped:
                    raise _Broken("the answer was too short")
                count -= skipped
        except (HTTPClientError, IncompleteReadError, HTTPError) as error:
            raise _Broken(type(error).__name__) from None

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def _total(self) -> str:
        return "an unknown number" if self._size is None else f"{self._size:,}"
