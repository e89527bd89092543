"""List a bucket to its end, each object once, whatever the service's dialect of S3."""

import html
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from flows.errors import StorageError
from flows.storage.results import Stored
from flows.storage.s3_errors import explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def plain_etag(etag: str) -> str:
    """An ETag as names contain it: without its quotes, escaped or not, and without the mark of a weak one."""
    return html.unescape(etag).strip().removeprefix("W/").strip('"')


def list_objects(client: "S3Client", bucket: str, prefix: str, action: str) -> dict[str, Stored]:
    """The objects under the prefix by key, without folders; of a key listed twice, what was written last.

    Raises:
        StorageError: The bucket cannot be listed, or the service does not list it as S3 does.
    """
    found: dict[str, Stored] = {}
    asked: Any = {"Bucket": bucket, "Prefix": prefix}
    tokens = {None, ""}
    with explained(bucket, action):
        try:
            # boto3's paginator would end without an error where a token is missing.
            while True:
                page = client.list_objects_v2(**asked)
                for item in page.get("Contents", []):
                    _add(found, item, prefix)
                token = page.get("NextContinuationToken")
                if not page.get("IsTruncated", token or "Name" not in page):
                    return found
                if token in tokens:
                    raise ValueError("it answers without a listing, or announces more objects without a new token")
                tokens.add(token)
                asked["ContinuationToken"] = token
        except (KeyError, ValueError) as error:
            problem = f"an object has no {error}" if isinstance(error, KeyError) else error
            raise StorageError(
                f"Cannot {action}: the service of the bucket {bucket!r} does not list it as S3 does ({problem}). No "
                "object may be missed: check S3_ENDPOINT_URL, and update the service or use another one."
            ) from None


def _add(found: dict[str, Stored], item: Any, prefix: str) -> None:
    # Some services encode the keys and do not say so.
    key = item["Key"] if item["Key"].startswith(prefix) else unquote_plus(item["Key"])
    if key.startswith(prefix) and not key.endswith("/"):
        one = Stored(item["Size"], item["LastModified"], plain_etag(item["ETag"]))
        if not one.tag:
            raise KeyError("ETag")
        found[key] = max(one, found.get(key, one), key=lambda stored: stored.modified)
