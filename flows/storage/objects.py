"""Read whole objects of a bucket; start again if a download breaks."""

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from urllib3.exceptions import HTTPError

from flows.errors import ObjectChanged, StorageError
from flows.stopping import check_stop, pause
from flows.storage.listing import plain_etag
from flows.storage.s3_errors import error_code, explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
ATTEMPTS = 5
READ_BYTES = 2**20
# Some services want If-Match without quotes, know only weak ETags, or do not support it.
_CONDITION_REFUSED = {"PreconditionFailed", "412", "InvalidArgument", "NotImplemented", "501"}


class ObjectMissing(ObjectChanged):
    """There is no object with this key."""


class _Broken(Exception):
    """The response ended early."""


class ObjectStream:
    """The bytes of one answer to a GET, which must be as many as it announced.

    Attributes:
        content_encoding: The object's Content-Encoding, if it has one.
    """

    def __init__(self, answer: Any, size: int | None) -> None:
        self.content_encoding: str | None = answer.get("ContentEncoding")
        self._body = answer["Body"]
        self._missing: int | None = answer.get("ContentLength", size)
        if size is not None and self._missing != size:
            raise _Broken(f"it answers with {self._missing} bytes for a version of {size}")

    def read(self, size: int = READ_BYTES) -> bytes:
        """The next bytes, at most `size`; empty at the end."""
        check_stop()
        try:
            content: bytes = self._body.read(size)
        except (BotoCoreError, HTTPError) as error:
            raise _Broken(type(error).__name__) from None
        if self._missing is not None:
            self._missing -= len(content)
            if not content and self._missing:
                raise _Broken("the answer was too short")
        return content


def read_object(
    client: "S3Client",
    bucket: str,
    key: str,
    name: str,
    work: Callable[[ObjectStream], T],
    etag: str | None = None,
    size: int | None = None,
) -> T:
    """Read one version of an object; the work starts again if the connection breaks.

    botocore retries requests without a response; a response that breaks off is requested again here.

    Args:
        name: What it is called in messages, such as `the log object 'a'`.
        work: What to do with the bytes; it may be called several times.
        etag: The version; if omitted, any.
        size: The version's bytes; if omitted, as many as the answer announces.

    Raises:
        ObjectChanged: The bucket does not contain this version.
        StorageError: The bucket cannot be read.
    """
    asked: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if etag is not None:
        asked["IfMatch"] = f'"{etag}"'

    @retry(
        retry=retry_if_exception_type(_Broken),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        sleep=pause,
        reraise=True,
    )
    def attempt() -> T:
        check_stop()
        try:
            answer = client.get_object(**asked)
        except ClientError as error:
            code = error_code(error)
            if "IfMatch" in asked and code in _CONDITION_REFUSED:
                with suppress(ClientError):
                    if _same(client.head_object(Bucket=bucket, Key=key).get("ETag"), etag):
                        del asked["IfMatch"]
                        raise _Broken("it does not understand If-Match") from None
            _raise_if_gone(name, code)
            raise
        with answer["Body"]:
            # Some servers ignore If-Match.
            if etag is not None and not _same(answer.get("ETag", etag if "IfMatch" in asked else None), etag):
                _raise_if_gone(name, "PreconditionFailed")
            return work(ObjectStream(answer, size))

    with explained(bucket, f"read {name}"):
        try:
            return attempt()
        except _Broken as error:
            raise StorageError(
                f"Cannot read {name}: the download from the bucket {bucket!r} broke off {ATTEMPTS} times ({error}). "
                "Nothing was published: check the network and the endpoint (no proxy may change objects, such as by "
                "decompressing them), and run the same id again."
            ) from None


def _same(found: str | None, etag: str | None) -> bool:
    return plain_etag(found or "").lower() == (etag or "").lower()


def _raise_if_gone(name: str, code: str) -> None:
    if code in ("NoSuchKey", "404", "PreconditionFailed", "412"):
        kind = ObjectMissing if code in ("NoSuchKey", "404") else ObjectChanged
        raise kind(f"{name[0].upper()}{name[1:]} was deleted or overwritten after it was listed.") from None
