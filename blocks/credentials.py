"""AWS credentials that keep the session token secret."""

from typing import Any

import boto3
from prefect_aws import AwsCredentials
from pydantic import Field, SecretStr

from blocks.cached_schema import CachedSchemaBlock


class AwsSessionCredentials(AwsCredentials, CachedSchemaBlock):
    """`AwsCredentials` of prefect-aws, with the session token as a secret.

    prefect-aws stores this token as plain text, and the UI and the API show it.
    """

    _block_type_name = "AWS Session Credentials"
    _block_type_slug = "aws-session-credentials"
    _description = "AWS credentials that keep the session token secret."

    aws_session_token: SecretStr | None = Field(  # type: ignore[assignment]
        default=None, title="AWS Session Token", description="The session token of a temporary access key."
    )

    def get_boto3_session(self) -> boto3.Session:
        """A boto3 session with these credentials."""
        plain: dict[str, Any] = self.model_dump(include=set(AwsCredentials.model_fields))
        token = self.aws_session_token
        plain["aws_session_token"] = None if token is None else token.get_secret_value()
        return AwsCredentials.model_validate(plain).get_boto3_session()
