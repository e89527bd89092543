"""The block types of prefect-aws, without what a flow run does not need of it.

That is, the schemas of the block types, which only Prefect's server needs, and what watches the
tasks of its ECS worker, which brings aiobotocore and aiohttp: an eighth of the time that a flow
takes to be imported. The worker itself is there.
"""

from blocks.described import defined_by_slug
from blocks.later import functions_later

_OBSERVER = "prefect_aws.observers.ecs"

with defined_by_slug(), functions_later(_OBSERVER, "start_observer", "stop_observer"):
    from prefect_aws import AwsCredentials, S3Bucket
    from prefect_aws.client_parameters import AwsClientParameters

__all__ = ["AwsClientParameters", "AwsCredentials", "S3Bucket"]
