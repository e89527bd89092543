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


class DamagedExtract(PipelineError):
    """A stored extract is not what its manifest says; `names` are the units to make again."""

    def __init__(self, message: str, names: list[str]) -> None:
        super().__init__(message)
        self.names = names


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
