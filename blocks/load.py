"""Load environments by name: registered ones, or the embedded `local` one."""

from contextlib import suppress

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from pydantic import ValidationError

from blocks.database import Database
from blocks.environment import SLUG, Environment
from blocks.local import local_database, local_environment
from blocks.settings import LOCAL, NAME
from flows.errors import SettingsError


def load_environment(name: str) -> Environment:
    """Load the environment with this name; `local` starts its services if they are not running.

    Raises:
        SettingsError: No environment with this name is registered (the message lists those that are), or its blocks are
            not valid.
    """
    if name == LOCAL:
        return local_environment()
    invalid: list[str] = []
    if isinstance(name, str) and NAME.fullmatch(name):
        try:
            environment = Environment.load(name)
            assert isinstance(environment, Environment)
            return environment
        except RuntimeError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            # Name the fields only: the original message quotes their values, which may be secrets.
            invalid = sorted({str(problem["loc"][0]) for problem in error.__cause__.errors()})
        except ValueError as error:
            if "Unable to find block document" not in str(error):
                raise
    # Raised out here, so that the original errors are not attached to ours.
    if invalid:
        raise SettingsError(
            f"The blocks of the environment {name!r} are not valid ({', '.join(invalid)}). Correct "
            f"them, or register it again with: python -m blocks.register {name} --env-file FILE"
        )
    known = ", ".join([LOCAL, *registered()])
    raise SettingsError(
        f"There is no environment {name!r}. Known environments: {known}. "
        "Register one with: python -m blocks.register ENVIRONMENT --env-file FILE"
    )


def load_database(name: str) -> Database:
    """As `load_environment`, only the database, without starting or loading the rest of the environment."""
    if name == LOCAL:
        return local_database()
    with suppress(ObjectNotFound, ValidationError, KeyError), get_client(sync_client=True) as client:
        document = client.read_block_document_by_name(name, SLUG)
        return Database.model_validate(document.data["database"])
    return load_environment(name).database  # which says what is wrong


def registered() -> list[str]:
    """The names of the registered environments, sorted."""
    with get_client(sync_client=True) as client:
        try:
            documents = client.read_block_documents_by_type(SLUG, include_secrets=False)
        except PrefectHTTPStatusError as error:
            if error.response.status_code != 404:
                raise
            return []  # the server does not know the block type yet
    return sorted(document.name for document in documents if document.name)
