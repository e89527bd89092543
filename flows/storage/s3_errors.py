"""S3's refusals as sentences that tell a user what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from flows.errors import StorageError, original_forgotten

_REMEDIES = {
    "NoSuchBucket": "does not exist: correct the name in the environment's settings (python -m "
    "blocks.register), or create the bucket",
    "AccessDenied": "may not be used so by these credentials: grant them access (README, "
    "'Least privilege'), or register others",
    "InvalidAccessKeyId": "refuses the access key id: register valid AWS credentials",
    "SignatureDoesNotMatch": "refuses the secret access key: register valid AWS credentials",
    "ExpiredToken": "refuses the session token, which has expired: register fresh AWS "
    "credentials and run the same id again, which goes on from what was done",
    "InvalidToken": "refuses the session token: register valid AWS credentials and run the same "
    "id again, which goes on from what was done",
    "RequestTimeTooSkewed": "refuses this machine's time: set its clock right (NTP) and run the "
    "same id again",
    "SlowDown": "is asked for too much (SlowDown), also after many tries: run the same id again "
    "later, which goes on from what was done",
    "PermanentRedirect": "lies in another region: register the right AWS_REGION",
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
    """Turn what boto3 raises into a `StorageError` that names the bucket, the action and a remedy.

    Args:
        bucket: The bucket's name.
        action: What was tried, such as `list the logs`.
    """
    with original_forgotten(), _told(bucket, action):
        yield


@contextmanager
def _told(bucket: str, action: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        remedy = _REMEDIES.get(_SAME.get(code, code), f"answered {code or 'with an error'}")
        raise StorageError(f"Cannot {action}: the bucket {bucket!r} {remedy}.") from None
    except NoCredentialsError:
        raise StorageError(
            f"Cannot {action} in the bucket {bucket!r}: no AWS credentials were found. Register "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where an AWS identity is given."
        ) from None
    except BotoCoreError as error:
        raise StorageError(
            f"Cannot {action} in the bucket {bucket!r}: {type(error).__name__}. Check "
            "S3_ENDPOINT_URL and AWS_REGION, and that this machine reaches the endpoint."
        ) from None
