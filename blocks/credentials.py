"""AWS credentials that keep the session token secret, and with which no other setting of AWS matters."""

from typing import Any

import boto3
from botocore.session import Session
from prefect_aws import AwsCredentials
from pydantic import ConfigDict, Field, SecretStr

from blocks.cached_schema import CachedSchemaBlock


class AwsSessionCredentials(AwsCredentials, CachedSchemaBlock):
    """`AwsCredentials` of prefect-aws, with the session token as a secret.

    prefect-aws stores this token as plain text, and the UI and the API show it.
    """

    model_config = ConfigDict(title="AWS credentials")
    _logo_url = None  # type: ignore[assignment]
    _block_type_name = "AWS Session Credentials"
    _block_type_slug = "aws-session-credentials"
    _description = "AWS credentials that keep the session token secret."

    aws_session_token: SecretStr | None = Field(  # type: ignore[assignment]
        default=None, title="AWS Session Token", description="The session token of a temporary access key."
    )

    def get_boto3_session(self) -> boto3.Session:
        """A boto3 session with these credentials; with keys, nothing else of AWS's environment and files is read."""
        secret, token = self.aws_secret_access_key, self.aws_session_token
        plain_token = token.get_secret_value() if token else None
        if secret and not self.profile_name and not self.assume_role_arn:
            keys = (self.aws_access_key_id, secret.get_secret_value(), plain_token)
            return boto3.Session(*keys, self.region_name, _isolated())
        plain = self.model_dump(include=set(AwsCredentials.model_fields)) | {"aws_session_token": plain_token}
        return AwsCredentials.model_validate(plain).get_boto3_session()


def _isolated() -> Session:
    # Each variable has a name in the config file, one in the environment, and a default.
    names: Any = {name: (None, None, *rest) for name, (_, _, *rest) in Session.SESSION_VARIABLES.items()}
    names |= dict.fromkeys(("config_file", "credentials_file"), (None, None, None, None))
    names |= {"s3": (None, None, {}, None), "ignore_configured_endpoint_urls": (None, None, True, None)}
    return Session(session_vars=names)
