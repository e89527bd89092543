"""Block types whose schemas are made once."""

from abc import ABC
from copy import deepcopy
from typing import Any, ClassVar

from prefect.blocks.core import Block


class Described(Block, ABC):
    """A block type whose JSON schema is made once.

    When a block type is defined, Prefect hashes its schema and those of all types that it nests,
    each time anew: 0.4 s of every start for an environment's types. As a base it comes last.
    """

    _schemas: ClassVar[dict[object, dict[str, Any]]] = {}

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """As pydantic's."""
        key = (cls, args, *options.items())
        if key not in cls._schemas:
            cls._schemas[key] = super().model_json_schema(*args, **options)
        return deepcopy(cls._schemas[key])
