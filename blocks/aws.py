"""The block types of prefect-aws, without what a flow run does not need of it.

That is, the schemas of the block types, which only Prefect's server needs, and its ECS worker,
which brings Prefect's other workers, its runner, aiobotocore and aiohttp: together a fifth of the
time that a flow takes to be imported.
"""

from importlib import import_module
from types import ModuleType

from wrapt import when_imported

from blocks.described import defined_by_slug
from blocks.later import loaded_later

with defined_by_slug(), loaded_later("prefect_aws", "workers", "ECSWorker"):
    from prefect_aws import AwsCredentials, S3Bucket
    from prefect_aws.client_parameters import AwsClientParameters


@when_imported("prefect.workers.base")
def _with_its_worker(_: ModuleType) -> None:
    """Whoever looks for a type of worker finds this one too."""
    import_module("prefect_aws.workers")


__all__ = ["AwsClientParameters", "AwsCredentials", "S3Bucket"]
