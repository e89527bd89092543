"""The errors that a user can act on.

Each message says what, where and what to do, and contains no secret.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class PipelineError(Exception):
    """Base class of the errors that tell a user what to do."""


class ParameterError(PipelineError, ValueError):
    """A parameter of a call is not valid: nothing was touched."""


class SettingsError(PipelineError):
    """A setting is missing, malformed, or names something that does not exist."""


class StorageError(PipelineError):
    """A bucket or a folder cannot be read or written as the environment says."""


class LogsError(PipelineError):
    """No table can be built from the logs: they are missing, broken, or have too many bad lines."""


class WarehouseError(PipelineError):
    """The database is unreachable, refuses the work, or has a table of another shape."""


class ListAgain(PipelineError):
    """What the run has listed or stored is gone or changed: it lists the logs again.

    Attributes:
        parsed: How many objects the failed task had parsed before.
    """

    parsed = 0


class ObjectChanged(ListAgain):
    """A listed log object was deleted or overwritten before it was read."""


@contextmanager
def original_forgotten() -> Iterator[None]:
    """Within this context, our errors drop the reference to the exception that they were raised from.

    `raise … from None` only hides it. The original may quote a row or a setting, and its frames contain passwords and
    tokens, which some error reporting tools send on.
    """
    try:
        yield
    except PipelineError as error:
        error.__context__ = None
        raise
