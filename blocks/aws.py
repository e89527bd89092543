"""The block types of prefect-aws, without what a flow run does not need of it.

That is, the schemas of the block types, which only Prefect's server needs, and its ECS worker,
which brings Prefect's other workers, its runner, aiobotocore and aiohttp: a fifth of the time that
a flow takes to be imported. What Prefect has to look for types of workers finds it.
"""

import sys
from functools import wraps
from importlib import import_module
from typing import Any

from prefect import plugins

from blocks.described import defined_by_slug
from blocks.later import loaded_later

_WORKERS = "prefect_aws.workers"
_load_prefect_collections = plugins.load_prefect_collections

with defined_by_slug(), loaded_later("prefect_aws", "workers", "ECSWorker"):
    from prefect_aws import AwsCredentials, S3Bucket
    from prefect_aws.client_parameters import AwsClientParameters


@wraps(_load_prefect_collections)
def _load_with_its_worker(*arguments: Any, **named: Any) -> Any:
    import_module(_WORKERS)
    return _load_prefect_collections(*arguments, **named)


# Prefect calls this before it looks for a type, of a worker or of a block. What looks for blocks
# has imported Prefect's own above, so the worker goes on waiting; what looks for workers imports
# ours, or has been there before.
plugins.load_prefect_collections = _load_with_its_worker
if "prefect.workers.base" in sys.modules:
    import_module(_WORKERS)

__all__ = ["AwsClientParameters", "AwsCredentials", "S3Bucket"]
