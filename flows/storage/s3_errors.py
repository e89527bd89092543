"""S3's errors as sentences that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError

from flows.errors import StorageError, original_forgotten

# Codes of S3 and of other services, statuses of answers without a code: what the bucket does, and the remedy.
_REMEDIES = {
    "NoSuchBucket NoSuchKey NoSuchAccessPoint EndpointNotFound InvalidBucketName InvalidAccessPoint 404": "does not "
    "exist: correct the name in the environment's settings (python -m blocks.register), or create the bucket",
    "AccessDenied AllAccessDisabled Forbidden NotEntitled UnauthorizedAccessError UnexpectedIPError 403": "does not "
    "allow this with these credentials: grant them access (docs/operations.md, 'Least privilege'; also to the KMS key "
    "of encrypted objects), or register others. Some services answer so if it does not exist, S3 if requesters pay",
    "InvalidAccessKeyId CredentialsNotSupported MissingAuthenticationToken MissingSecurityHeader NotSignedUp "
    "Unauthorized 401": "refuses the access key id: register valid AWS credentials (in China or GovCloud, AWS_REGION)",
    "SignatureDoesNotMatch InvalidSecurity InvalidSignature UnsupportedSignature AuthorizationQueryParametersError "
    "BadDigest": "refuses the secret access key: register valid AWS credentials, and let no proxy change requests",
    "ExpiredToken ExpiredTokenException TokenRefreshRequired TokenCodeInvalidError InvalidToken "
    "InvalidSessionException": "refuses the session token, which is invalid or has expired: register fresh AWS "
    "credentials and run the same id again; it resumes where it stopped",
    "RequestTimeTooSkewed ExpiredRequest": "rejects this machine's time: correct its clock (NTP) and run the id again",
    "SlowDown SlowDownRead SlowDownWrite ServiceUnavailable TooManyRequests XMinioServerNotInitialized InternalError "
    "RequestTimeout OperationAborted ConnectionClosedByRequester IncompleteBody ResponseInterrupted 408 429 500 502 "
    "503 504": "throttles requests or has a passing fault: run the same id again later; it resumes where it stopped. "
    "If this stays, check the service, and that S3_ENDPOINT_URL is the address of S3, not of its web console",
    "PermanentRedirect TemporaryRedirect Redirect AuthorizationHeaderMalformed IllegalLocationConstraintException "
    "IncorrectEndpoint InvalidRegion InvalidRegionName 301 302 307": "is in another region{detail}: register the right "
    "AWS_REGION (for R2 auto, for Garage as configured)",
    "InvalidObjectState": "has archived it{detail}: restore it, or move it out of the prefix, and run the id again",
    "KMS KMSNotConfigured InvalidEncryptionAlgorithmError": "cannot use the encryption key, which is missing or not "
    "enabled: enable it, or store the object with another key",
    "AccountProblem InvalidPayer": "belongs to an account with a problem: ask its owner, or the provider's support",
    "InvalidAddressingHeader InvalidArgument InvalidHostHeader InvalidRange InvalidRequest InvalidURI MethodNotAllowed "
    "NotImplemented NotModified UnsupportedArgument UserKeyMustBeSpecified 400 405 501": "does not support this: check "
    "that S3_ENDPOINT_URL is the address of S3, and move objects encrypted with your own keys (SSE-C) elsewhere",
}
_BY_CODE = {code: remedy for codes, remedy in _REMEDIES.items() for code in codes.split()}
_UNKNOWN = "refuses this: look the code up in the service's documentation, or ask who runs it, and run the id again"
_MACHINE = (aws.CredentialRetrievalError, aws.LoginError, aws.MetadataRetrievalError, aws.NoCredentialsError)
_IDENTITY = (*_MACHINE, aws.SSOError, aws.TokenRetrievalError)


def error_code(error: ClientError) -> str:
    """S3's code of an error, such as `NoSuchKey`; the HTTP status, if the answer has none."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
    return str(error.response.get("Error", {}).get("Code") or status)


@contextmanager
def explained(bucket: str, action: str) -> Iterator[None]:
    """Turn boto3's errors into a `StorageError` that names the bucket, the action and the remedy.

    Args:
        action: What was tried, such as `list the logs`.
    """
    with original_forgotten():
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise StorageError(f"Cannot {action} {_reason(error, bucket)}.") from None


def _reason(error: BotoCoreError | ClientError, bucket: str) -> str:
    code = error_code(error) if isinstance(error, ClientError) else type(error).__name__
    # The identity of a machine comes from other services of AWS.
    if isinstance(error, _IDENTITY) or getattr(error, "operation_name", "").startswith(("AssumeRole", "GetRole")):
        return (
            f"in the bucket {bucket!r}: no AWS credentials were found ({code}). Register AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give this machine an AWS identity (of SSO: aws sso login)"
        )
    if isinstance(error, BotoCoreError):
        return (
            f"in the bucket {bucket!r}: {code}. Check S3_ENDPOINT_URL and AWS_REGION, and that this machine reaches "
            "the endpoint and trusts its certificate (REQUESTS_CA_BUNDLE)"
        )
    facts = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}) | error.response.get("Error", {})
    named = [facts[name] for name in ("AccessTier", "StorageClass", "Region", "x-amz-bucket-region") if name in facts]
    remedy = _BY_CODE.get(code) or _BY_CODE.get(code.partition(".")[0], _UNKNOWN)
    detail = f" ({named[0]})" if named else ""
    return f"({'HTTP ' * code.isdigit()}{code}): the bucket {bucket!r} {remedy.format(detail=detail)}"
