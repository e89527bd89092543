"""Environments by name: registered blocks, or the embedded `local` one."""

import re

from prefect.client.orchestration import get_client
from pydantic import ValidationError

from blocks.environment import SLUG, Environment
from flows.errors import SettingsError, original_forgotten

NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
LOCAL = "local"


def load_environment(name: str) -> Environment:
    """The environment of this name; `local` starts its services when they are not running yet.

    Raises:
        SettingsError: No environment of this name is registered; the message lists those that are.
            Or its blocks are not valid.
    """
    if name == LOCAL:
        from blocks.local import local_environment  # its packages come with the extra `local`

        return local_environment()
    if isinstance(name, str) and NAME.fullmatch(name):
        try:
            with original_forgotten():
                return _load(name)
        except ValueError as error:
            if "Unable to find block document" not in str(error):
                raise
    known = ", ".join([LOCAL, *registered()])
    raise SettingsError(
        f"There is no environment {name!r}. Known here: {known}. "
        "Register one with: python -m blocks.register ENVIRONMENT --env-file FILE"
    )


def _load(name: str) -> Environment:
    try:
        environment = Environment.load(name)
    except RuntimeError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        # Named only: the original quotes what the fields hold, secrets too.
        fields = sorted({str(problem["loc"][0]) for problem in error.__cause__.errors()})
        raise SettingsError(
            f"The blocks of the environment {name!r} are not valid ({', '.join(fields)}): correct "
            f"them, or register it again with: python -m blocks.register {name} --env-file FILE"
        ) from None
    assert isinstance(environment, Environment)
    return environment


def registered() -> list[str]:
    """The names of the registered environments, sorted."""
    with get_client(sync_client=True) as client:
        documents = client.read_block_documents_by_type(SLUG)
    return sorted(document.name for document in documents if document.name)
