"""The errors that a user can act on.

Each message says what, where and what to do, and holds no secret.
"""


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
