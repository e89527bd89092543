"""S3's errors as sentences that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from flows.errors import StorageError, original_forgotten

_REMEDIES = {
    "NoSuchBucket": "does not exist: correct the name in the environment's settings (python -m "
    "blocks.register), or create the bucket",
    "AccessDenied": "does not allow this with these credentials: grant them access (docs/operations.md, "
    "'Least privilege'), or register others",
    "InvalidAccessKeyId": "refuses the access key id: register valid AWS credentials",
    "SignatureDoesNotMatch": "refuses the secret access key: register valid AWS credentials",
    "ExpiredToken": "refuses the session token, which has expired: register fresh AWS "
    "credentials and run the same id again; it resumes where it stopped",
    "InvalidToken": "refuses the session token: register valid AWS credentials and run the same "
    "id again; it resumes where it stopped",
    "RequestTimeTooSkewed": "rejects this machine's time: correct its clock (NTP) and run the same id again",
    "SlowDown": "still throttles requests (SlowDown) after many tries: run the same id again "
    "later; it resumes where it stopped",
    "PermanentRedirect": "is in another region: register the right AWS_REGION",
}
_SAME = {"403": "AccessDenied", "Forbidden": "AccessDenied", "404": "NoSuchBucket"}
_SAME["AllAccessDisabled"] = "AccessDenied"
_SAME["TokenRefreshRequired"] = _SAME["ExpiredTokenException"] = "ExpiredToken"
_SAME["503"] = "SlowDown"


def error_code(error: ClientError) -> str:
    """S3's code of an error, such as `NoSuchKey`."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def explained(bucket: str, action: str) -> Iterator[None]:
    """Turn boto3's errors into a `StorageError` that names the bucket, the action and the remedy.

    Args:
        action: What was tried, such as `list the logs`.
    """
    with original_forgotten(), _translated(bucket, action):
        yield


@contextmanager
def _translated(bucket: str, action: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        remedy = _REMEDIES.get(_SAME.get(code, code), f"answered {code or 'with an error'}")
        raise StorageError(f"Cannot {action}: the bucket {bucket!r} {remedy}.") from None
    except NoCredentialsError:
        raise StorageError(
            f"Cannot {action} in the bucket {bucket!r}: no AWS credentials were found. Register "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine an AWS identity."
        ) from None
    except BotoCoreError as error:
        raise StorageError(
            f"Cannot {action} in the bucket {bucket!r}: {type(error).__name__}. Check "
            "S3_ENDPOINT_URL and AWS_REGION, and that this machine reaches the endpoint."
        ) from None
