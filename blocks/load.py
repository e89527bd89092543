"""Environments by name: registered blocks, or the embedded `local` one."""

import re

from prefect.client.orchestration import get_client

from blocks.environment import SLUG, Environment
from flows.errors import SettingsError

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
LOCAL = "local"


def load_environment(name: str) -> Environment:
    """The environment of this name; `local` starts its services when they are not running yet.

    Raises:
        SettingsError: No environment of this name is registered; the message lists those that are.
    """
    if name == LOCAL:
        from blocks.local import local_environment  # its packages come with the extra `local`

        return local_environment()
    if isinstance(name, str) and NAME.fullmatch(name):
        try:
            environment = Environment.load(name)
        except ValueError as error:
            if "Unable to find block document" not in str(error):
                raise
        else:
            assert isinstance(environment, Environment)
            return environment
    known = ", ".join([LOCAL, *registered()])
    raise SettingsError(
        f"There is no environment {name!r}. Known here: {known}. "
        "Register one with: python -m blocks.register ENVIRONMENT --env-file FILE"
    )


def registered() -> list[str]:
    """The names of the registered environments, sorted."""
    with get_client(sync_client=True) as client:
        documents = client.read_block_documents_by_type(SLUG)
    return sorted(document.name for document in documents if document.name)
