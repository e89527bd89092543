"""The errors that a user can act on.

Each message says what, where and what to do, and holds no secret.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class PipelineError(Exception):
    """Base of the errors that tell a user what to do."""


class SettingsError(PipelineError):
    """A setting is missing, malformed, or names something that does not exist."""


class StorageError(PipelineError):
    """A bucket or a folder cannot be read or written as the environment says."""


class LogsError(PipelineError):
    """No table can be built from the logs: none there, broken, or too many bad lines."""


class WarehouseError(PipelineError):
    """The database is not reachable, refuses the work, or has a table of another shape."""


class ListAgain(PipelineError):
    """What the run has listed, or has stored, is not there as it was: a new listing heals it."""


class ObjectChanged(ListAgain):
    """A listed log object was deleted or overwritten before it was read."""


@contextmanager
def original_forgotten() -> Iterator[None]:
    """An error of ours that leaves this block no longer refers to what it was raised from.

    `raise … from None` only hides it. The original may quote a row or a setting, and its frames
    hold passwords and tokens, which some tools that report errors send on.
    """
    try:
        yield
    except PipelineError as error:
        error.__context__ = None
        raise
