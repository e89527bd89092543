"""AWS credentials with a session token kept as a secret."""

from typing import Any

import boto3
from pydantic import Field, SecretStr

from blocks.aws import AwsCredentials
from blocks.described import Described


class AwsSessionCredentials(AwsCredentials, Described):
    """`AwsCredentials` of prefect-aws, with the session token as a secret.

    A block of ours, because prefect-aws keeps that token as plain text, which the UI and the API
    show.
    """

    _block_type_name = "AWS Session Credentials"
    _block_type_slug = "aws-session-credentials"
    _description = "AWS credentials whose session token is kept as a secret."

    aws_session_token: SecretStr | None = Field(  # type: ignore[assignment]
        default=None,
        title="AWS Session Token",
        description="The session token that belongs to the temporary access key.",
    )

    def get_boto3_session(self) -> boto3.Session:
        """A boto3 session with these credentials."""
        plain: dict[str, Any] = self.model_dump(include=set(AwsCredentials.model_fields))
        token = self.aws_session_token
        plain["aws_session_token"] = None if token is None else token.get_secret_value()
        return AwsCredentials.model_validate(plain).get_boto3_session()
