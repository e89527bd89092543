"""The block types of prefect-aws, defined without the schemas that only Prefect's server needs."""

from blocks.described import defined_by_slug

with defined_by_slug():
    from prefect_aws import AwsCredentials, S3Bucket
    from prefect_aws.client_parameters import AwsClientParameters

__all__ = ["AwsClientParameters", "AwsCredentials", "S3Bucket"]
